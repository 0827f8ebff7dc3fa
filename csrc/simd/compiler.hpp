#pragma once

// EDGESER_UNROLL unrolls the short constant loop that follows, so that arrays of vectors stay in
// registers. EDGESER_PREFETCH asks for the cache line at an address to be brought near.
// EDGESER_NOINLINE keeps a function whose loop needs all registers apart from its callers.
// EDGESER_NOW(vector) has an x86 vector computed here and not later: GCC gathers products first and
// adds them then, for which there are no registers.
#if defined(_MSC_VER)
#define EDGESER_NOINLINE __declspec(noinline)
#else
#define EDGESER_NOINLINE __attribute__((noinline))
#endif

#if defined(__clang__)
#define EDGESER_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define EDGESER_UNROLL _Pragma("GCC unroll 64")
#else
#define EDGESER_UNROLL
#endif

#if defined(__GNUC__)
#define EDGESER_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#elif defined(_M_X64)
#include <intrin.h>
#define EDGESER_PREFETCH(address) _mm_prefetch(reinterpret_cast<const char*>(address), 2)
#else
#define EDGESER_PREFETCH(address) ((void)(address))
#endif

#if defined(__GNUC__) && defined(__x86_64__)
#define EDGESER_NOW(vector) __asm__("" : "+v"(vector))
#else
#define EDGESER_NOW(vector) ((void)0)
#endif

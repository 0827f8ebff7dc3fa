#pragma once

// EDGESER_UNROLL unrolls the following short, constant loop, so that arrays of vectors stay in
// registers. EDGESER_PREFETCH prefetches the cache line at an address. EDGESER_NOINLINE keeps a
// function whose loop needs all registers separate from its callers. EDGESER_NOW(vector) forces an
// x86 vector to be computed at this point: GCC would compute all products first and add them later,
// and run out of registers.
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

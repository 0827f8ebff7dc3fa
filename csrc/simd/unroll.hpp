#pragma once

// Unrolls the short constant loop that follows, so that arrays of vectors stay in registers.
#if defined(__clang__)
#define EDGESER_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define EDGESER_UNROLL _Pragma("GCC unroll 64")
#else
#define EDGESER_UNROLL
#endif

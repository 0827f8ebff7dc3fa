#pragma once

namespace edgeser::simd {

// Whether both the CPU and the operating system support what a level, or SHA-256, needs.

// x86-64 only:
bool cpu_has_avx2() noexcept;         // AVX2 and FMA
bool cpu_has_avx_vnni() noexcept;     // these, and AVX-VNNI
bool cpu_has_avx512() noexcept;       // AVX-512 F, BW, DQ and VL
bool cpu_has_avx512_vnni() noexcept;  // these, and VNNI
bool cpu_has_sha() noexcept;          // the SHA extensions, SSSE3 and SSE4.1

// 64-bit ARM only:
bool cpu_has_neon_dotprod() noexcept;
bool cpu_has_sha2() noexcept;

}  // namespace edgeser::simd

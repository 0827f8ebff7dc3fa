#pragma once

namespace edgeser::simd {

// Whether both the CPU and the operating system support what the level needs.

// x86-64 only:
bool cpu_has_avx2() noexcept;         // AVX2 and FMA
bool cpu_has_avx_vnni() noexcept;     // these, and AVX-VNNI
bool cpu_has_avx512() noexcept;       // AVX-512 F, BW, DQ and VL
bool cpu_has_avx512_vnni() noexcept;  // these, and VNNI

// 64-bit ARM only:
bool cpu_has_neon_dotprod() noexcept;

}  // namespace edgeser::simd

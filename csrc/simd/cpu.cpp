#include "simd/cpu.hpp"

#if defined(_MSC_VER) && !defined(__clang__)

#include <immintrin.h>
#include <intrin.h>

namespace edgeser::simd {
namespace {

constexpr unsigned ymm_state = 0x06;            // XCR0: the system saves XMM and YMM registers
constexpr unsigned zmm_state = 0xe6;            // and mask and ZMM registers
constexpr int fma_osxsave = 1 << 12 | 1 << 27;  // leaf 1, ECX
constexpr int avx2 = 1 << 5;                    // leaf 7, EBX, as the next
constexpr int avx512_f_dq_bw_vl = 1 << 16 | 1 << 17 | 1 << 30 | static_cast<int>(1u << 31);

bool has(unsigned state, int features) noexcept {
  int leaf[4];
  __cpuid(leaf, 0);
  if (leaf[0] < 7) return false;
  __cpuid(leaf, 1);
  if ((leaf[2] & fma_osxsave) != fma_osxsave) return false;
  if ((_xgetbv(0) & state) != state) return false;
  __cpuidex(leaf, 7, 0);
  return (leaf[1] & features) == features;
}

}  // namespace

bool cpu_has_avx2() noexcept { return has(ymm_state, avx2); }
bool cpu_has_avx512() noexcept { return has(zmm_state, avx2 | avx512_f_dq_bw_vl); }

}  // namespace edgeser::simd

#elif defined(__x86_64__)

namespace edgeser::simd {

bool cpu_has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
bool cpu_has_avx512() noexcept {
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

}  // namespace edgeser::simd

#endif

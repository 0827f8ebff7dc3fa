#include "simd/cpu.hpp"

#if defined(__x86_64__) || defined(_M_X64)

#include <cstdint>
#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace edgeser::simd {
namespace {

struct Registers {
  std::uint32_t eax, ebx, ecx, edx;
};

// All zero if the CPU does not have this leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t part = 0) {
#if defined(_MSC_VER)
  int r[4];
  __cpuid(r, 0);
  if (static_cast<std::uint32_t>(r[0]) < leaf) return {};
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(part));
  return {static_cast<std::uint32_t>(r[0]), static_cast<std::uint32_t>(r[1]),
          static_cast<std::uint32_t>(r[2]), static_cast<std::uint32_t>(r[3])};
#else
  Registers r{};
  __get_cpuid_count(leaf, part, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
#endif
}

// XCR0: which registers the operating system saves. Needs OSXSAVE.
std::uint64_t saved_registers() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
#endif
}

constexpr std::uint32_t bit(int n) { return std::uint32_t{1} << n; }

constexpr std::uint32_t fma_and_osxsave = bit(12) | bit(27);                        // leaf 1, ECX
constexpr std::uint32_t ssse3_and_sse4_1 = bit(9) | bit(19);                        // leaf 1, ECX
constexpr std::uint32_t sha = bit(29);                                              // leaf 7, EBX
constexpr std::uint32_t avx2 = bit(5);                                              // leaf 7, EBX
constexpr std::uint32_t avx512_f_dq_bw_vl = bit(16) | bit(17) | bit(30) | bit(31);  // leaf 7, EBX
constexpr std::uint32_t avx512_vnni = bit(11);                                      // leaf 7, ECX
constexpr std::uint32_t avx_vnni = bit(4);                                          // leaf 7.1, EAX
constexpr std::uint64_t ymm_state = 0x06;  // XMM and the upper halves of YMM
constexpr std::uint64_t zmm_state = 0xe6;  // and the masks, and ZMM

bool has(std::uint32_t features, std::uint64_t state) {
  if ((cpuid(1).ecx & fma_and_osxsave) != fma_and_osxsave) return false;
  return (saved_registers() & state) == state && (cpuid(7).ebx & features) == features;
}

}  // namespace

bool cpu_has_avx2() noexcept { return has(avx2, ymm_state); }
bool cpu_has_avx512() noexcept { return has(avx2 | avx512_f_dq_bw_vl, zmm_state); }

bool cpu_has_avx512_vnni() noexcept { return cpu_has_avx512() && (cpuid(7).ecx & avx512_vnni); }
bool cpu_has_avx_vnni() noexcept {
  return cpu_has_avx2() && cpuid(7).eax >= 1 && (cpuid(7, 1).eax & avx_vnni);
}
bool cpu_has_sha() noexcept {  // its registers are those of SSE, which every system saves
  return (cpuid(1).ecx & ssse3_and_sse4_1) == ssse3_and_sse4_1 && (cpuid(7).ebx & sha);
}

}  // namespace edgeser::simd

#elif defined(__aarch64__) || defined(_M_ARM64)

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

namespace edgeser::simd {
namespace {

#if defined(__linux__)
constexpr unsigned long dot_product = 1ul << 20, sha2 = 1ul << 6;  // HWCAP_ASIMDDP, HWCAP_SHA2
bool has(unsigned long feature) { return (getauxval(AT_HWCAP) & feature) != 0; }
#elif defined(_WIN32)
// PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE, PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE
constexpr DWORD dot_product = 43, sha2 = 30;
bool has(DWORD feature) { return IsProcessorFeaturePresent(feature) != 0; }
#else
#if defined(__APPLE__)
constexpr bool dot_product = true, sha2 = true;  // every Apple silicon Mac
#else
constexpr bool dot_product = false, sha2 = false;
#endif
bool has(bool feature) { return feature; }
#endif

}  // namespace

bool cpu_has_neon_dotprod() noexcept { return has(dot_product); }
bool cpu_has_sha2() noexcept { return has(sha2); }

}  // namespace edgeser::simd

#endif

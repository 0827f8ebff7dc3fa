// Prints the best SIMD level of this machine, for EDGESER_LEVELS=native.
#include <cstdio>

#include "simd/cpu.cpp"

int main() {
  using namespace edgeser::simd;
#if defined(__x86_64__) || defined(_M_X64)
  std::fputs(cpu_has_avx512_vnni() ? "avx512_vnni"
             : cpu_has_avx512()    ? "avx512"
             : cpu_has_avx_vnni()  ? "avx_vnni"
             : cpu_has_avx2()      ? "avx2"
                                   : "plain",
             stdout);
#elif defined(__aarch64__) || defined(_M_ARM64)
  std::fputs(cpu_has_neon_dotprod() ? "neon_dotprod" : "neon", stdout);
#else
  std::fputs("plain", stdout);
#endif
}

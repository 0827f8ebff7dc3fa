#include "simd/level.hpp"

#include <array>
#include <cstring>
#include <string>

#include "error.hpp"
#include "simd/cpu.hpp"

namespace edgeser {

namespace simd {
extern const Level avx512_vnni_level, avx512_level, avx_vnni_level, avx2_level;
extern const Level neon_dotprod_level, neon_level, plain_level;
}  // namespace simd

namespace {

struct Usable {
  std::array<const Level*, 5> levels{};
  std::size_t count = 0;

  Usable() noexcept {
#if defined(EDGESER_LEVEL_AVX512_VNNI)
    if (simd::cpu_has_avx512_vnni()) levels[count++] = &simd::avx512_vnni_level;
#endif
#if defined(EDGESER_LEVEL_AVX512)
    if (simd::cpu_has_avx512()) levels[count++] = &simd::avx512_level;
#endif
#if defined(EDGESER_LEVEL_AVX_VNNI)
    if (simd::cpu_has_avx_vnni()) levels[count++] = &simd::avx_vnni_level;
#endif
#if defined(EDGESER_LEVEL_AVX2)
    if (simd::cpu_has_avx2()) levels[count++] = &simd::avx2_level;
#endif
#if defined(EDGESER_LEVEL_NEON_DOTPROD)
    if (simd::cpu_has_neon_dotprod()) levels[count++] = &simd::neon_dotprod_level;
#endif
#if defined(EDGESER_LEVEL_NEON)
    levels[count++] = &simd::neon_level;
#endif
    levels[count++] = &simd::plain_level;
  }
};

}  // namespace

Levels usable_levels() noexcept {
  static const Usable usable;
  return {usable.levels.data(), usable.count};
}

const Level& find_level(const char* name) {
  const Levels levels = usable_levels();
  if (!name) return **levels.begin();
  std::string known;
  for (const Level* level : levels) {
    if (std::strcmp(level->name, name) == 0) return *level;
    known += (known.empty() ? "" : ", ") + std::string(level->name);
  }
  throw Error("simd: no level '" + std::string(name) + "' on this machine; use one of " + known +
              ", or None for the best");
}

}  // namespace edgeser

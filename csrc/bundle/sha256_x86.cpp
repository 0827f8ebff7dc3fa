#include <immintrin.h>

#include "bundle/sha256_blocks.hpp"
#include "simd/compiler.hpp"

namespace edgeser {
namespace {

__m128i load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

void store(std::uint32_t* to, __m128i words) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), words);
}

}  // namespace

// The instructions want the hash's words a to h as (f, e, b, a) and (h, g, d, c), lowest first.
void sha256_x86(std::uint32_t* hash, const char* blocks, std::size_t count) noexcept {
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  const __m128i badc = _mm_shuffle_epi32(load(hash), 0xb1);
  const __m128i hgfe = _mm_shuffle_epi32(load(hash + 4), 0x1b);
  __m128i feba = _mm_alignr_epi8(badc, hgfe, 8);
  __m128i hgdc = _mm_blend_epi16(hgfe, badc, 0xf0);

  for (; count > 0; --count, blocks += 64) {
    const __m128i feba_before = feba, hgdc_before = hgdc;
    __m128i w[4];  // the last sixteen words of the message schedule
    EDGESER_UNROLL
    for (int i = 0; i < 4; ++i) w[i] = _mm_shuffle_epi8(load(blocks + 16 * i), big_endian);
    EDGESER_UNROLL
    for (int i = 0; i < 16; ++i) {  // four rounds each
      __m128i& next = w[i % 4];
      if (i >= 4) {
        const __m128i seven_before = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
        next = _mm_add_epi32(_mm_sha256msg1_epu32(next, w[(i + 1) % 4]), seven_before);
        next = _mm_sha256msg2_epu32(next, w[(i + 3) % 4]);
      }
      const __m128i added = _mm_add_epi32(next, load(sha256_constants + 4 * i));
      hgdc = _mm_sha256rnds2_epu32(hgdc, feba, added);
      feba = _mm_sha256rnds2_epu32(feba, hgdc, _mm_shuffle_epi32(added, 0x0e));
    }
    feba = _mm_add_epi32(feba, feba_before);
    hgdc = _mm_add_epi32(hgdc, hgdc_before);
  }

  const __m128i abef = _mm_shuffle_epi32(feba, 0x1b);
  const __m128i ghcd = _mm_shuffle_epi32(hgdc, 0xb1);
  store(hash, _mm_blend_epi16(abef, ghcd, 0xf0));
  store(hash + 4, _mm_alignr_epi8(ghcd, abef, 8));
}

}  // namespace edgeser

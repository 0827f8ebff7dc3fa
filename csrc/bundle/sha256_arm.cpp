#include <arm_neon.h>

#include "bundle/sha256_blocks.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

void sha256_arm(std::uint32_t* hash, const char* blocks, std::size_t count) noexcept {
  uint32x4_t abcd = vld1q_u32(hash), efgh = vld1q_u32(hash + 4);

  for (; count > 0; --count, blocks += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[4];  // the last sixteen words of the message schedule
    EDGESER_UNROLL
    for (int i = 0; i < 4; ++i) {
      const uint8x16_t bytes = vld1q_u8(reinterpret_cast<const std::uint8_t*>(blocks + 16 * i));
      w[i] = vreinterpretq_u32_u8(vrev32q_u8(bytes));  // big-endian
    }
    EDGESER_UNROLL
    for (int i = 0; i < 16; ++i) {  // four rounds each
      uint32x4_t& next = w[i % 4];
      if (i >= 4) {
        next = vsha256su0q_u32(next, w[(i + 1) % 4]);
        next = vsha256su1q_u32(next, w[(i + 2) % 4], w[(i + 3) % 4]);
      }
      const uint32x4_t added = vaddq_u32(next, vld1q_u32(sha256_constants + 4 * i));
      const uint32x4_t abcd_then = abcd;
      abcd = vsha256hq_u32(abcd, efgh, added);
      efgh = vsha256h2q_u32(efgh, abcd_then, added);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }

  vst1q_u32(hash, abcd);
  vst1q_u32(hash + 4, efgh);
}

}  // namespace edgeser

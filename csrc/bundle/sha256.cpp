#include "bundle/sha256.hpp"

#include <bit>
#include <cstring>

#include "bundle/sha256_blocks.hpp"
#include "simd/cpu.hpp"

namespace edgeser {
namespace {

void add_block(std::uint32_t* hash, const char* block) noexcept {
  std::uint32_t w[64];
  for (int t = 0; t < 16; ++t) {
    w[t] = 0;
    for (int i = 0; i < 4; ++i) w[t] = w[t] << 8 | static_cast<std::uint8_t>(block[4 * t + i]);
  }
  for (int t = 16; t < 64; ++t) {
    const std::uint32_t a = w[t - 15], b = w[t - 2];
    w[t] = w[t - 16] + w[t - 7] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  std::uint32_t s[8];
  std::memcpy(s, hash, sizeof s);
  for (int t = 0; t < 64; ++t) {
    const std::uint32_t sum1 = std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25);
    const std::uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const std::uint32_t sum0 = std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22);
    const std::uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const std::uint32_t first = s[7] + sum1 + choice + sha256_constants[t] + w[t];
    std::memmove(s + 1, s, 7 * sizeof s[0]);
    s[4] += first;
    s[0] = first + sum0 + majority;
  }
  for (int i = 0; i < 8; ++i) hash[i] += s[i];
}

}  // namespace

void sha256_plain(std::uint32_t* hash, const char* blocks, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) add_block(hash, blocks + 64 * i);
}

std::vector<Sha256Blocks*> sha256_ways() {
  std::vector<Sha256Blocks*> ways;
#if defined(EDGESER_SHA256_X86)
  if (simd::cpu_has_sha()) ways.push_back(sha256_x86);
#elif defined(EDGESER_SHA256_ARM)
  if (simd::cpu_has_sha2()) ways.push_back(sha256_arm);
#endif
  ways.push_back(sha256_plain);
  return ways;
}

Digest sha256(std::string_view bytes) {
  static Sha256Blocks* const best = sha256_ways().front();
  return sha256(bytes, best);
}

Digest sha256(std::string_view bytes, Sha256Blocks* way) {
  // Section 5.3.3.
  std::uint32_t hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const std::size_t whole = bytes.size() / 64;
  way(hash, bytes.data(), whole);

  // Section 5.1.1: a one bit, zeros, and the length in bits.
  std::string tail(bytes.substr(whole * 64));
  tail.push_back('\x80');
  tail.resize(tail.size() <= 56 ? 56 : 120);
  const std::uint64_t bits = std::uint64_t{bytes.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) tail.push_back(static_cast<char>(bits >> shift));
  way(hash, tail.data(), tail.size() / 64);

  Digest digest;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(hash[i / 4] >> (24 - i % 4 * 8));
  }
  return digest;
}

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::uint8_t byte : digest) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 15]);
  }
  return text;
}

}  // namespace edgeser

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bundle/sha256_blocks.hpp"
#include "check.hpp"

using namespace edgeser;

// The examples of FIPS 180-4, and lengths around the borders of blocks and padding, in every way
// that this CPU has.
TEST(sha256_of_known_bytes) {
  const std::pair<std::string, const char*> known[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"a", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
      {std::string(55, 'a'), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
      {std::string(56, 'a'), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
      {std::string(63, 'a'), "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
      {std::string(64, 'a'), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
      {std::string(65, 'a'), "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
      {std::string(120, 'a'), "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  const auto ways = sha256_ways();
  CHECK(!ways.empty() && ways.back() == sha256_plain);
  for (Sha256Blocks* const way : ways) {
    for (const auto& [text, digest] : known) CHECK(hex(sha256(text, way)) == digest);
  }
  for (const auto& [text, digest] : known) CHECK(hex(sha256(text)) == digest);
}

// Bytes that differ, at addresses that are not aligned.
TEST(sha256_is_the_same_in_every_way) {
  std::string bytes;
  for (std::uint32_t i = 0; i < 10'000; ++i) bytes.push_back(static_cast<char>(i * i >> 3));
  for (std::size_t size = 0; size < 300; ++size) {
    const std::string_view part = std::string_view(bytes).substr(size % 31, size * 33);
    const Digest plain = sha256(part, sha256_plain);
    for (Sha256Blocks* const way : sha256_ways()) CHECK(sha256(part, way) == plain);
  }
}

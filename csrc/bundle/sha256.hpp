#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace edgeser {

using Digest = std::array<std::uint8_t, 32>;

// SHA-256 (FIPS 180-4, section 6.2), with the CPU's own instructions if it has them. Our own,
// because a cryptographic library would be linked for these few lines alone, and the algorithm will
// never change.
Digest sha256(std::string_view bytes);

// 64 lower-case hex digits.
std::string hex(const Digest& digest);

}  // namespace edgeser

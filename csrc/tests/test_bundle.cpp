#include <cstring>
#include <string>

#include "bundle/archive.hpp"
#include "bundle/bundle.hpp"
#include "bundle/bundle_error.hpp"
#include "bundle/file.hpp"
#include "check.hpp"

using namespace edgeser;

namespace {

const std::string& shipped() {
  static const std::string bytes = read_bundle_file(EDGESER_TEST_BUNDLE);
  return bytes;
}

bool refused(std::string_view bytes) {
  try {
    parse_bundle(bytes);
    return false;
  } catch (const BundleError& error) {
    return std::strlen(error.what()) > 10;
  }
}

}  // namespace

TEST(bundle_is_read) {
  const Bundle bundle = parse_bundle(shipped());
  const Sizes& s = bundle.manifest.sizes;
  CHECK(bundle.manifest.name == "default");
  CHECK(bundle.manifest.labels.size() == 4);
  CHECK(s.sample_rate == 16'000 && s.segment == 4224 && s.hop == 2048);
  CHECK(bundle.tensor("vq.codebook", {s.codes, s.code_width})[0] != 0);
  CHECK(bundle.front_end.size() == bundle.manifest.members.at("frontend.onnx").bytes);
  CHECK_ERROR(bundle.tensor("vq.codebook", {1, 2}), "ask for (1, 2)");
  CHECK_ERROR(bundle.tensor("vq.cookbook", {1}), "vq.cookbook is missing");
}

TEST(bundle_cut_anywhere_is_refused) {
  const std::string_view good = shipped();
  CHECK(refused(""));
  for (std::size_t left = 1; left < good.size(); left = left * 3 + 1) {
    CHECK(refused(good.substr(0, left)));
    CHECK(refused(good.substr(good.size() - left)));
  }
  for (std::size_t missing = 1; missing < 400; missing += 7) {
    CHECK(refused(good.substr(0, good.size() - missing)));
  }
  CHECK(refused(std::string(good) + '\0'));
}

// One bit changed in the table of contents, in the ends of the members or in the comment.
TEST(bundle_flipped_anywhere_is_refused_or_means_the_same) {
  std::string bytes = shipped();
  const std::size_t end = bytes.size();
  int accepted = 0;
  for (std::size_t back = 1; back <= 330; ++back) {
    bytes[end - back] = static_cast<char>(bytes[end - back] ^ (1 << back % 8));
    try {
      // Reads only the zip; hashing all members would take a minute.
      const Archive archive = read_archive(bytes, 79);
      for (const auto& [name, contents] : archive.members) {
        const auto within = [&](const char* at) {
          return at >= bytes.data() && at <= &bytes[end - 1];
        };
        CHECK(within(contents.data()) && within(contents.data() + contents.size()));
      }
      ++accepted;
    } catch (const BundleError&) {
    }
    bytes[end - back] = static_cast<char>(bytes[end - back] ^ (1 << back % 8));
  }
  CHECK(accepted < 300);  // in the comment, dates and attributes, where only hashes can detect it
  bytes[100] ^= 1;
  CHECK(refused(bytes));
  bytes[100] ^= 1;
  bytes[end - 400] ^= 1;
  CHECK(refused(bytes));
}

TEST(bundle_tensors_are_checked) {
  const auto file = [](const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    return bytes + header + data;
  };
  const std::string data(8, '\0');
  const auto tensors =
      parse_tensors("t", file(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})", data));
  CHECK(tensors.at("a").values == std::vector<float>(2, 0.0f));
  CHECK(tensors.at("a").shape == (std::vector<std::size_t>{2, 1}));
  const auto bad = [&](const std::string& facts, const char* fragment) {
    CHECK_ERROR(parse_tensors("t", file("{\"a\":" + facts + "}", data)), fragment);
  };
  bad(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})", "exceeds the file");
  bad(R"({"dtype":"F32","shape":[2],"data_offsets":[4,8]})", "do not fit");
  bad(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", "do not fit");
  bad(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", "after the last tensor");
  bad(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", "a gap before");
  bad(R"({"dtype":"F32","shape":[8,8,8,8,8,8,8,8],"data_offsets":[0,8]})", "exceeds the file");
  bad(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,8]})", "shape must be");
  bad(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})", "is F64");
  bad(R"({"dtype":"F32","data_offsets":[0,8]})", "shape must be");
  bad("7", "must be an object");
  CHECK_ERROR(parse_tensors("t", "1234"), "cut short");
  CHECK_ERROR(parse_tensors("t", std::string(8, '\xff')), "cut short");
  CHECK_ERROR(parse_tensors("t", file(R"({"a":1,"a":1})", data)), "same key twice");
  CHECK_ERROR(parse_tensors("t", file(std::string(5000, '['), data)), "nested deeper");
  const std::string nan("\xff\xff\xff\xff\0\0\0\0", 8);
  CHECK_ERROR(
      parse_tensors("t", file(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", nan)),
      "NaN");
}

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "matrix/multiply.hpp"
#include "matrix/packed_matrix.hpp"
#include "random.hpp"
#include "simd/plain.hpp"

using namespace edgeser;

TEST(matrix_is_packed_by_panels) {
  // Plain: 4 lanes, 2 vectors a panel. 9 outputs: one panel of 8 columns and one of 4.
  const Level& plain = find_level("plain");
  std::vector<float> weights(2 * 9);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i);
  const std::vector<float> bias(9, 1.0f);
  const PackedMatrix packed(plain, weights.data(), 2, 9, bias.data(), 7.0f);
  const Matrix& m = packed.view();
  CHECK(m.inputs == 2 && m.outputs == 9 && m.padded == 12);
  CHECK(reinterpret_cast<std::uintptr_t>(m.weights) % 64 == 0);
  const auto* const w = static_cast<const float*>(m.weights);
  CHECK(w[0] == 0 && w[7] == 7);    // input 0, outputs 0 and 7
  CHECK(w[8] == 9);                 // input 1, output 0
  CHECK(w[16] == 8 && w[17] == 0);  // the second panel: output 8, then padding
  CHECK(w[20] == 17);
  CHECK(m.bias[8] == 1 && m.bias[9] == 7 && m.bias[11] == 7);
}

TEST(matrix_multiplies_any_size) {
  Random random(1);
  for (const std::size_t outputs : {1u, 3u, 8u, 13u, 40u}) {
    for (const std::size_t rows : {1u, 2u, 5u}) {
      const std::size_t inputs = 7;
      const auto weights = random.floats(inputs * outputs), bias = random.floats(outputs),
                 x = random.floats(rows * inputs);
      const PackedMatrix packed(find_level("plain"), weights.data(), inputs, outputs, bias.data());
      const std::size_t padded = packed.view().padded;
      std::vector<float> y(rows * padded);
      multiply<simd::Plain>(packed.view(), x.data(), inputs, rows, y.data(), padded);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t c = 0; c < outputs; ++c) {
          double sum = bias[c];
          for (std::size_t i = 0; i < inputs; ++i) {
            sum += static_cast<double>(x[r * inputs + i]) * weights[i * outputs + c];
          }
          CHECK_NEAR(y[r * padded + c], sum, 1e-5);
        }
      }
    }
  }
}

namespace {

std::vector<float> product(const PackedMatrix& packed, Precision precision, const float* x,
                           std::size_t rows) {
  const Matrix& m = packed.view();
  std::vector<float> y(rows * m.padded);
  switch (precision) {
    case Precision::float32:
      multiply<simd::Plain>(m, x, m.inputs, rows, y.data(), m.padded);
      break;
    case Precision::bfloat16:
      multiply<simd::Plain, Precision::bfloat16>(m, x, m.inputs, rows, y.data(), m.padded);
      break;
    case Precision::int8:
      multiply<simd::Plain, Precision::int8>(m, x, m.inputs, rows, y.data(), m.padded);
      break;
  }
  return y;
}

}  // namespace

TEST(matrix_bfloat16_rounds_to_nearest) {
  CHECK_EQUAL(to_bfloat16(1.0f), 0x3f80);
  CHECK_EQUAL(to_bfloat16(-1.0f), 0xbf80);
  CHECK_EQUAL(to_bfloat16(1.00390625f), 0x3f80);  // a tie, to even
  CHECK_EQUAL(to_bfloat16(1.01171875f), 0x3f82);  // a tie, to even
  CHECK_EQUAL(to_bfloat16(1.004f), 0x3f81);
  CHECK_EQUAL(to_bfloat16(3.4e38f), 0x7f7f);  // not infinite
}

TEST(matrix_bfloat16_is_float32_with_rounded_weights) {
  Random random(2);
  const Level& level = find_level("plain");
  for (const std::size_t outputs : {1u, 4u, 5u, 12u, 40u}) {
    const std::size_t inputs = 150, rows = 3;
    auto weights = random.floats(inputs * outputs);
    const auto bias = random.floats(outputs), x = random.floats(rows * inputs);
    const PackedMatrix low(level, weights.data(), inputs, outputs, bias.data(), 0.0f,
                           Precision::bfloat16);
    for (float& weight : weights) {
      const std::uint32_t bits = std::uint32_t{to_bfloat16(weight)} << 16;
      std::memcpy(&weight, &bits, sizeof bits);
    }
    const PackedMatrix full(level, weights.data(), inputs, outputs, bias.data());
    CHECK(product(low, Precision::bfloat16, x.data(), rows) ==
          product(full, Precision::float32, x.data(), rows));
  }
}

TEST(matrix_int8_is_what_it_says) {
  Random random(3);
  for (const std::size_t inputs : {1u, 3u, 4u, 7u, 150u}) {
    const std::size_t outputs = 13, rows = 70;
    const auto weights = random.floats(inputs * outputs), bias = random.floats(outputs);
    auto x = random.floats(rows * inputs);
    std::fill_n(x.begin(), inputs, 0.0f);  // the first row
    const PackedMatrix packed(find_level("plain"), weights.data(), inputs, outputs, bias.data(),
                              0.0f, Precision::int8);
    const auto y = product(packed, Precision::int8, x.data(), rows);
    const auto peak = [](const float* values, std::size_t count, std::size_t step) {
      float result = 0x1p-100f;
      for (std::size_t i = 0; i < count; ++i)
        result = std::fmax(result, std::abs(values[i * step]));
      return result;
    };
    for (std::size_t r = 0; r < rows; ++r) {
      const float row_peak = peak(&x[r * inputs], inputs, 1);
      for (std::size_t c = 0; c < outputs; ++c) {
        const float scale = peak(&weights[c], inputs, outputs) / 127.0f;
        int sum = 0;
        for (std::size_t i = 0; i < inputs; ++i) {
          sum += static_cast<int>(std::nearbyint(x[r * inputs + i] * (127.0f / row_peak))) *
                 static_cast<int>(std::nearbyint(double{weights[i * outputs + c]} / scale));
        }
        CHECK(y[r * packed.view().padded + c] ==
              std::fma(static_cast<float>(sum), row_peak / 127.0f * scale, bias[c]));
      }
    }
  }
}

TEST(matrix_int8_has_room_for_the_largest_sums) {
  const std::size_t inputs = int8_max_inputs;
  const std::vector<float> weights(inputs, -1.0f), x(inputs, 1.0f);
  const PackedMatrix packed(find_level("plain"), weights.data(), inputs, 1, nullptr, 0.0f,
                            Precision::int8);
  CHECK_NEAR(product(packed, Precision::int8, x.data(), 1)[0], -static_cast<float>(inputs), 0.1f);
  CHECK_ERROR(PackedMatrix(find_level("plain"), weights.data(), inputs + 1, 0, nullptr, 0.0f,
                           Precision::int8),
              "int8 takes at most 32768 inputs, not 32769");
}

TEST(matrix_precisions_have_names) {
  for (const char* name : {"float32", "bfloat16", "int8"}) {
    CHECK(std::string(precision_name(find_precision(name))) == name);
  }
  CHECK_ERROR(find_precision("float16"), "no 'float16'; use float32");
}

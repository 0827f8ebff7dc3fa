#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
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
  CHECK(m.weights[0] == 0 && m.weights[7] == 7);    // input 0, outputs 0 and 7
  CHECK(m.weights[8] == 9);                         // input 1, output 0
  CHECK(m.weights[16] == 8 && m.weights[17] == 0);  // the second panel: output 8, then padding
  CHECK(m.weights[20] == 17);
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

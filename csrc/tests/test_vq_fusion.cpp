#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "random.hpp"
#include "vq_fusion/vq_fusion.hpp"

using namespace edgeser;

namespace {

struct Model {
  std::size_t k, d, p, f, c;
  std::vector<float> codebook, deep, latent, bias;

  Model(Random& random, std::size_t k, std::size_t d, std::size_t p, std::size_t f, std::size_t c)
      : k(k),
        d(d),
        p(p),
        f(f),
        c(c),
        codebook(random.floats(k * d)),
        deep(random.floats(f * c)),
        latent(random.floats(p * d * c)),
        bias(random.floats(c)) {}

  VqFusionWeights weights() const {
    return {k, d, p, f, c, codebook.data(), deep.data(), latent.data(), bias.data()};
  }
};

struct Result {
  std::vector<float> tokens;
  std::vector<std::int32_t> codes;
};

Result run(const Level& level, const Model& m, const std::vector<float>& deep,
           const std::vector<float>& latent) {
  const VqFusion fusion(level, m.weights());
  const std::size_t rows = deep.size() / m.f;
  Result result{std::vector<float>(rows * m.c), std::vector<std::int32_t>(rows * m.p)};
  fusion.fuse(deep.data(), latent.data(), rows, result.tokens.data(), result.codes.data());
  return result;
}

}  // namespace

TEST(vq_fusion_equals_its_formula) {
  Random random(2);
  for (const Model& m : {Model(random, 511, 7, 3, 5, 24), Model(random, 1, 1, 1, 1, 1),
                         Model(random, 64, 16, 5, 9, 65), Model(random, 3000, 2, 7, 3, 64)}) {
    const std::size_t rows = 7;
    const auto deep = random.floats(rows * m.f), latent = random.floats(rows * m.p * m.d);
    const Result plain = run(find_level("plain"), m, deep, latent);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t p = 0; p < m.p; ++p) {
        const auto distance = [&](std::size_t code) {
          double sum = 0;
          for (std::size_t i = 0; i < m.d; ++i) {
            const double difference =
                static_cast<double>(latent[(r * m.p + p) * m.d + i]) - m.codebook[code * m.d + i];
            sum += difference * difference;
          }
          return sum;
        };
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t k = 0; k < m.k; ++k) least = std::fmin(least, distance(k));
        const std::int32_t code = plain.codes[r * m.p + p];
        CHECK(code >= 0 && static_cast<std::size_t>(code) < m.k);
        CHECK_NEAR(distance(static_cast<std::size_t>(code)), least, 1e-5);
      }
      for (std::size_t c = 0; c < m.c; ++c) {
        double sum = m.bias[c];
        for (std::size_t i = 0; i < m.f; ++i)
          sum += double{deep[r * m.f + i]} * m.deep[i * m.c + c];
        for (std::size_t i = 0; i < m.p * m.d; ++i) {
          const auto code = static_cast<std::size_t>(plain.codes[r * m.p + i / m.d]);
          sum += double{m.codebook[code * m.d + i % m.d]} * m.latent[i * m.c + c];
        }
        CHECK_NEAR(plain.tokens[r * m.c + c], sum, 1e-5);
      }
    }
    for (const Level* level : usable_levels()) {
      const Result other = run(*level, m, deep, latent);
      CHECK(other.codes == plain.codes);
      CHECK(std::memcmp(other.tokens.data(), plain.tokens.data(), plain.tokens.size() * 4) == 0);
    }
  }
}

TEST(vq_fusion_takes_the_lowest_index_on_ties) {
  Random random(3);
  Model m(random, 100, 4, 2, 3, 5);
  for (std::size_t k = 0; k < m.k; ++k) {  // codes repeat every 10
    for (std::size_t i = 0; i < m.d; ++i) m.codebook[k * m.d + i] = m.codebook[k % 10 * m.d + i];
  }
  const auto deep = random.floats(20 * m.f), latent = random.floats(20 * m.p * m.d);
  for (const Level* level : usable_levels()) {
    for (const std::int32_t code : run(*level, m, deep, latent).codes) CHECK(code < 10);
  }
}

TEST(vq_fusion_bits_are_the_same_on_every_machine) {
  Random random(5);
  const Model m(random, 100, 20, 7, 30, 24);
  const auto deep = random.floats(9 * m.f), latent = random.floats(9 * m.p * m.d);
  CHECK_EQUAL(bits_hash(run(find_level(nullptr), m, deep, latent).tokens), 3871971311u);
}

TEST(vq_fusion_names_bad_sizes) {
  Random random(4);
  const Model m(random, 2, 2, 2, 2, 2);
  const Level& level = find_level(nullptr);
  VqFusionWeights w = m.weights();
  w.codes = 0;
  CHECK_ERROR(VqFusion(level, w), "codebook");
  w = m.weights();
  w.positions = 0;
  CHECK_ERROR(VqFusion(level, w), "position");
  w = m.weights();
  const std::vector<float> huge(4, 3e38f);
  w.codebook = huge.data();
  CHECK_ERROR(VqFusion(level, w), "too long");
}

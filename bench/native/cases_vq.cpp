#include <cstddef>
#include <initializer_list>

#include "case.hpp"
#include "vq_fusion/vq_fusion.hpp"

namespace edgeser::bench {
namespace {

constexpr std::size_t codes = 512, code_width = 64;

struct Rows {
  Rows(const Level& level, std::size_t positions, std::size_t deep_width, std::size_t token_width,
       std::size_t rows)
      : deep(random_floats(rows * deep_width, 1.0f)),
        latent(random_floats(rows * positions * code_width, 1.0f)),
        tokens(rows * token_width),
        found(rows * positions),
        rows(rows) {
    const auto codebook = random_floats(codes * code_width, 1.0f);
    const auto deep_weight = random_floats(deep_width * token_width, 0.1f);
    const auto latent_weight = random_floats(positions * code_width * token_width, 0.1f);
    const auto bias = random_floats(token_width, 0.1f);
    fusion = std::make_unique<VqFusion>(
        level,
        VqFusionWeights{codes, code_width, positions, deep_width, token_width, codebook.data(),
                        deep_weight.data(), latent_weight.data(), bias.data()});
  }

  void once() { fusion->fuse(deep.data(), latent.data(), rows, tokens.data(), found.data()); }

  std::vector<float> deep, latent, tokens;
  std::vector<std::int32_t> found;
  std::size_t rows;
  std::unique_ptr<VqFusion> fusion;
};

Case vq_case(const Level& level, const std::string& name, std::size_t positions,
             std::size_t deep_width, std::size_t token_width, std::size_t rows) {
  const std::size_t vectors = rows * positions;
  const std::size_t bytes = codes * code_width * sizeof(float);
  const auto work = std::make_shared<Rows>(level, positions, deep_width, token_width, rows);
  const auto read = reading(level, bytes);
  Case result{name + " " + std::to_string(rows),
              {{"vectors", vectors},
               {"bytes", bytes},
               {"flops", 2.0 * static_cast<double>(vectors * codes * code_width)}},
              {}};
  result.works.push_back({"read", read});
  result.works.push_back({"fuse", [=] { work->once(); }});
  if (rows == 1) {
    result.works.push_back({"read_cold", read, true});
    result.works.push_back({"fuse_cold", [=] { work->once(); }, true});
  }
  return result;
}

}  // namespace

std::vector<Case> vq_cases(const Level& level) {
  std::vector<Case> cases;
  // The lookup with next to nothing to fuse, then what the default model does for each token.
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 64, 1024, 16384}) {
    cases.push_back(vq_case(level, "vq lookup", 1, 1, 1, rows));
  }
  for (const std::size_t rows : std::initializer_list<std::size_t>{1, 64, 1024}) {
    cases.push_back(vq_case(level, "vq fusion", 16, 96, 64, rows));
  }
  return cases;
}

}  // namespace edgeser::bench

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bounds.hpp"
#include "matrix/packed_matrix.hpp"

namespace edgeser::bench {

// One size of one kernel: what is timed in each round, in turns, and the facts to judge it by.
struct Case {
  // Does the work `times` times. If `cold`, something else has filled the caches before each time,
  // and only the work itself counts.
  struct Work {
    std::string name;
    std::function<void()> once;
    bool cold = false;
  };
  std::string name;
  std::map<std::string, double> facts;  // bytes, flops, ...
  std::vector<Work> works;
};

std::vector<Case> tacn_cases(const Level& level);
std::vector<Case> vq_cases(const Level& level);

// Values that the compiler must believe to be needed.
extern volatile float sink;

std::vector<float> random_floats(std::size_t count, float scale);

// A buffer of as many bytes as the weights, and the work of reading it once.
std::function<void()> reading(const Level& level, std::size_t bytes);

}  // namespace edgeser::bench

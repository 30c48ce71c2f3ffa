// Warnings: figures that leave the range in which runs are healthy (Axolotl's tables of training
// stability, verl's probability difference, what reproductions of R1-Zero report), each with what
// it means and what to try. A pure function of the figures: the report finds the same warnings as
// the run did.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/metrics.h"

namespace r1 {

struct Symptom {
  std::string_view name;     // "entropy-collapse"
  std::string_view title;    // "entropy has collapsed (below 0.01)"
  std::string_view meaning;  // what it means
  std::string_view advice;   // what to try
};
std::span<const Symptom> symptoms();

struct Warning {
  const Symptom* symptom;
  int64_t step = 0;   // when it began
  std::string value;  // the figure then: "0.004"
};

// The newest values of each figure.
using HealthPast = std::map<std::string, std::vector<double>, std::less<>>;

// Means of ten values, the largest there were.
struct HealthBest {
  double length = 0, reward = 0;
};

class Health {
 public:
  explicit Health(int64_t max_length) : max_length_(max_length) {}  // 0: unknown

  // What begins with this step. A warning that has begun is not told again until its figure was
  // healthy for kCalm steps. Evaluations say nothing here.
  std::vector<Warning> step(const Metrics& metrics);
  static constexpr int kCalm = 20;

 private:
  struct State {
    bool active = false;
    int calm = 0;  // steps since it was last seen
  };

  int64_t max_length_;
  HealthPast past_;
  HealthBest best_;
  std::vector<State> states_;
};

}  // namespace r1

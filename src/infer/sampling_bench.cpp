// One row of Qwen's vocabulary: what sampling adds to a sequence's step.
#include <benchmark/benchmark.h>

#include <random>

#include "infer/sampling.h"

namespace r1 {
namespace {

struct Setting {
  const char* name;
  SamplingParams params;
  int n_top;
};

void run(benchmark::State& state, const Setting& setting, Isa isa) {
  constexpr size_t kVocab = 151936;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(kVocab);
  for (float& x : logits) x = normal(random);
  for (size_t i = 0; i < 20; ++i) logits[i * 7001] += 12;  // as a model that knows what may come
  int64_t position = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        sample(logits, setting.params, {}, {}, position++, setting.n_top, isa).id);
  }
}

const int registered = [] {
  const auto with = [](float temperature, int32_t top_k, float top_p, float min_p) {
    SamplingParams p;
    p.temperature = temperature;
    p.top_k = top_k;
    p.top_p = top_p;
    p.min_p = min_p;
    return p;
  };
  const std::vector<Setting> settings = {{"greedy", with(0, 0, 1, 0), -1},
                                         {"temperature_1", with(1, 0, 1, 0), -1},
                                         {"r1_0.6_top_p_0.95", with(0.6f, 0, 0.95f, 0), -1},
                                         {"top_k_40_top_p_0.95", with(0.8f, 40, 0.95f, 0), -1},
                                         {"min_p_0.05", with(1, 0, 1, 0.05f), -1},
                                         {"temperature_1_logprob", with(1, 0, 1, 0), 0},
                                         {"temperature_1_top_20", with(1, 0, 1, 0), 20}};
  for (const Isa isa : supported_isas()) {
    for (const Setting& s : settings) {
      benchmark::RegisterBenchmark(fmt::format("sample/{}/{}", s.name, name(isa)).c_str(), run, s,
                                   isa)
          ->Unit(benchmark::kMicrosecond)
          ->MinTime(0.1);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace r1

// Saving and verifying the state of a model of 135M parameters: weights, two moments and a
// reference policy, 2.15 GB. R1_CHECKPOINT_FOLDER says on which disk.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "train/checkpoint.h"

namespace r1 {
namespace {

std::string folder() {
  const char* chosen = std::getenv("R1_CHECKPOINT_FOLDER");
  return std::string(chosen ? chosen : "/tmp") + "/r1-checkpoint-bench";
}

SavedState state_of(std::vector<float>& values) {
  values.resize(134'515'008);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  SavedState state;
  for (const char* name : {"model/w", "adamw_m/w", "adamw_v/w", "reference/w"})
    state.tensors.push_back(state_tensor(name, {std::ssize(values)}, values));
  return state;
}

int64_t bytes(const SavedState& state) {
  int64_t all = 0;
  for (const TensorInfo& t : state.tensors) all += std::ssize(t.bytes);
  return all;
}

void save(benchmark::State& bench) {
  std::vector<float> values;
  const SavedState state = state_of(values);
  auto store = CheckpointStore::open(folder(), {.last = 1, .best = 0}, [](const std::string&) {});
  int64_t step = 0;
  for (auto _ : bench) {
    if (!store->save(++step, {}, state)) bench.SkipWithError("not saved");
  }
  bench.SetBytesProcessed(bench.iterations() * bytes(state));
}

void load(benchmark::State& bench) {
  auto store = CheckpointStore::open(folder(), {.last = 1, .best = 0}, [](const std::string&) {});
  int64_t read = 0;
  for (auto _ : bench) {
    const auto loaded = store->load_newest();
    if (!loaded || !*loaded) {
      bench.SkipWithError("not loaded");
      break;
    }
    read += bytes((*loaded)->state);
  }
  bench.SetBytesProcessed(read);
  std::filesystem::remove_all(folder());
}

BENCHMARK(save)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();
BENCHMARK(load)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();

}  // namespace
}  // namespace r1

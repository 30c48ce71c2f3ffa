// How fast a model runs on this machine: prefill, decode, decode at depth, batched decode, through
// Model::forward and KvPages directly; and the memory bandwidth, measured with the same threads,
// that decoding is limited by.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/error.h"
#include "model/model.h"
#include "tensor/context.h"

namespace r1 {

// Of repeated runs, in the unit of whoever holds it.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread(std::vector<double> values);  // at least one

struct SpeedCase {
  bool prefill = false;  // else decode
  int64_t tokens = 0;    // a prompt's, or steps of decoding
  int64_t depth = 0;     // positions that stand before, in every sequence
  int64_t batch = 1;     // sequences decoded together
};

struct Speed {
  SpeedCase measured;
  Spread tokens_per_second;  // of all sequences together
  // What a decode step must read at least: the packed weights (of a dense model) and the keys and
  // values before it.
  uint64_t step_bytes = 0;
  double read_gbps =
      0;  // step_bytes by the median; 0 for prefill, where the arithmetic is the limit
};

class SpeedTest {
 public:
  // Error: the keys and values of the largest of `cases` do not fit into memory.
  static Result<SpeedTest> create(const Model& model, Context& ctx, DType kv_dtype,
                                  std::span<const SpeedCase> cases);

  // One run to warm up, then `repeats`; after_run is called after each.
  Speed measure(const SpeedCase& c, int repeats, const std::function<void()>& after_run);

 private:
  SpeedTest(const Model& model, Context& ctx, KvPages pages)
      : model_(model), ctx_(ctx), pages_(std::move(pages)) {}
  void fill(int64_t depth, int64_t batch);
  double run(const SpeedCase& c);

  const Model& model_;
  Context& ctx_;
  KvPages pages_;
};

// 1e9 bytes per second read from memory, of the kind that weights lie in, by `threads` threads at
// once: the best of several probes, as whatever else runs only takes away. Needs 512 MiB.
Result<double> machine_read_gbps(int threads);
// The sum over `threads` threads at once of what one of them measures.
double sum_over_threads(int threads, const std::function<double()>& probe);

}  // namespace r1

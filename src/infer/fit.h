// What fits: a model's weights in every quantization, the context that the memory left allows, and
// the speed that reading them allows. `r1 fit` prints it; the arithmetic is the engine's own
// (infer/memory.h, Weight::packed_bytes, KvShape).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/mix.h"
#include "format/model_shape.h"
#include "kernels/cpu.h"
#include "tensor/kv_pages.h"
#include "tensor/streamed_experts.h"

namespace r1 {

struct FitMachine {
  uint64_t memory = 0;   // bytes: the host's, or a GPU's
  bool gpu = false;      // of which 95 % less 0.75 GiB can be used
  double read_gbps = 0;  // of that memory; 0: unknown, no speeds
  double disk_gbps = 0;  // where experts that do not fit are read from
  Isa isa = Isa::kRef;   // whose packing counts, on the host
  Compute compute = Compute::kFast;
  DType kv_dtype = DType::kF16;
  // What speculation keeps beside: the layer of multi-token prediction with its keys and values; a
  // draft model's.
  bool mtp = false;
  uint64_t draft_weights = 0, draft_kv_per_token = 0;
};

struct FitRow {
  std::string name;           // "q4_k_m"
  uint64_t weights = 0;       // bytes in memory, all of them
  uint64_t kv_per_token = 0;  // bytes
  uint64_t buffers = 0;  // activations and logits of a prompt's chunk, within what is kept free
  int64_t context = 0;   // tokens of keys and values that fit beside, at most the model's own
  uint64_t read_per_token = 0;  // bytes of weights a decoded token multiplies
  double tokens_per_second =
      0;  // at most, at the beginning of the context; 0: unknown, or nothing fits
  // A mixture whose experts do not fit: what stays in memory and what a token then reads from disk.
  bool streamed = false;
  uint64_t resident = 0, cache = 0, disk_per_token = 0;

  bool runs() const { return context > 0; }
};

// One row. `asked`: the context wanted, 0 for what fits.
FitRow fit_mix(const ModelShape& shape, const Mix& mix, const FitMachine& machine, int64_t asked);
// Of a file: its tensors as they are.
FitRow fit_file(const ModelShape& shape, const WeightFile& file, const FitMachine& machine,
                int64_t asked);
// All common mixes, from large to small.
std::vector<FitRow> fit_all(const ModelShape& shape, const FitMachine& machine, int64_t asked);

// Counts a draft model's file in `machine`. Errors: read_shape's.
Result<void> add_draft(const WeightFile& file, FitMachine& machine);

// The largest that leaves room for a context of `wanted`, at most q8_0; else what has the largest
// context; of streamed ones, the fastest. None where nothing runs.
inline constexpr int64_t kThoughtContext = 16384;  // a question, its thoughts, the answer
std::optional<size_t> choose_fit(const std::vector<FitRow>& rows, int64_t wanted);

// How a file runs whose experts do not fit: the cache that Model::load shares between its layers,
// and the context. No cache where everything fits, where nothing does, or where the sizes are
// unknown.
struct StreamedFit {
  std::shared_ptr<ExpertCache> cache;
  int64_t context = 0;
  uint64_t weights = 0;  // bytes of all, packed; 0: not known
};
StreamedFit fit_streamed(const WeightFile& file, const FitMachine& machine, int64_t asked);

// What a model wants of memory that it shares with others.
struct ModelRoom {
  uint64_t weights = 0;  // bytes
  int64_t context = 0;   // tokens: as asked, else what a thought takes, at most the model's own
  uint64_t least = 0;    // bytes: weights, keys and values of that context, activations
  uint64_t most = 0;     // with which it is as good as alone: four such contexts
  bool all = false;      // all there is: a mixture whose experts do not fit
};
// Weights are reckoned, and a few per cent more than they take.
Result<ModelRoom> model_room(const WeightFile& file, const FitMachine& machine, int64_t asked);

KvShape kv_shape(const ModelShape& shape, DType dtype);

}  // namespace r1

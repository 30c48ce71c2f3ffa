// A loaded model: its Config, its weights, and the one forward that serves decoding, prefill and
// training. Models are lines of registry.cpp; each is one file that says read, bind and forward
// (design, law 2).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"
#include "kernels/matmul/matmul.h"
#include "model/config.h"
#include "tensor/context.h"
#include "tensor/kv_pages.h"
#include "tensor/tensor.h"

namespace r1 {

// Rows of one forward: any mix of prompts' chunks and single decoded tokens.
struct Batch {
  using Part = SequenceRows;    // {first, count, position, pages}; pages must cover the positions
  std::vector<int32_t> tokens;  // [T]
  std::vector<Part> parts;      // cover [0, T) in order
  std::vector<int32_t> wanted;  // rows whose logits are wanted, ascending
};

struct LoadOptions {
  Compute compute = Compute::kFast;
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes; may be empty
};

class Model {
 public:
  virtual ~Model() = default;
  // Picks the architecture by its name in the file; an unknown one is refused with the list of
  // known ones. `file` may be closed afterwards: what a weight still maps it keeps alive.
  static Result<std::unique_ptr<Model>> load(const WeightFile& file, const LoadOptions& options,
                                             Context& ctx);

  virtual const Config& config() const = 0;
  virtual KvShape kv_shape(DType kv_dtype) const = 0;
  virtual uint64_t weight_bytes() const = 0;  // resident, packed
  // Logits [wanted, vocab_size] F32. Writes the keys and values of the batch's rows into `kv`. If
  // `hidden` is given it receives n_layers + 1 tensors [T, dim]: the embedding, each layer's
  // output, the last after the final norm.
  virtual Tensor forward(Context& ctx, const Batch& batch, KvPages& kv,
                         std::vector<Tensor>* hidden = nullptr) const = 0;
};

}  // namespace r1

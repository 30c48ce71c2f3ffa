// A loaded model: its Config, its weights, and the one forward that serves decoding, prefill and
// training. Models are lines of registry.cpp; each is one file that says read, bind and forward
// (design, law 2).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"
#include "kernels/matmul/matmul.h"
#include "model/config.h"
#include "model/lora.h"
#include "tensor/context.h"
#include "tensor/kv_pages.h"
#include "tensor/streamed_experts.h"
#include "tensor/tensor.h"
#include "tensor/weight.h"

namespace r1 {

// Rows of one forward: any mix of prompts' chunks and single decoded tokens.
struct Batch {
  using Part = SequenceRows;    // {first, count, position, pages}; pages must cover the positions
  std::vector<int32_t> tokens;  // [T]
  std::vector<Part> parts;      // cover [0, T) in order
  std::vector<int32_t> wanted;  // rows whose logits are wanted, ascending
};

// How a model with latent attention computes it (layers/mla.h). By law 1 a loaded model has one
// form, whatever it is asked for.
enum class MlaForm : uint8_t { kAbsorbed, kPlain };

// Weights that are drawn, not loaded: matrices N(0, std) by (seed, name, element), norms 1, biases
// 0.
struct DrawnWeights {
  double std = 0.02;
  uint64_t seed = 0;
};

struct LoadOptions {
  Compute compute = Compute::kFast;
  std::function<void(uint64_t done, uint64_t total)> progress = {};  // bytes; may be empty
  MlaForm mla = MlaForm::kAbsorbed;
  bool mtp = false;  // load the layer of draft(), where the file has one
  // Routed experts stay in the file and share this cache; null: all are packed into memory.
  std::shared_ptr<ExpertCache> expert_cache = nullptr;
  // To train: every tensor becomes F32 values that may change, multiplied in this type (F32, or
  // BF16, to which products round them).
  std::optional<DType> learn = {};
  // Low-rank updates that learn, beside weights that stay as they are loaded. Not with `learn`.
  std::optional<LoraOptions> lora = {};
  // To train from nothing: the file is a config.json without weights.
  std::optional<DrawnWeights> draw = {};
};

// What a forward can tell beside the logits; each is filled where it is not null.
struct Trace {
  // n_layers + 1 of [T, dim]: the embedding, each layer's output, the last after the final norm.
  std::vector<Tensor>* hidden = nullptr;
  Tensor* last = nullptr;  // [T, dim] after the final norm: what draft() continues
  // Of each layer with experts, the ids chosen [T, n_activated_experts], ascending in a row.
  std::vector<std::vector<int32_t>>* experts = nullptr;
};

// A tensor of a model that learns.
struct ModelParameter {
  std::string name;              // as the file spells it
  std::vector<int64_t> shape;    // as torch prints it
  Tensor values;                 // F32; whoever changes them calls refresh
  bool by_gradient;              // else by a rule of its own: the bias of an expert gate
  std::vector<Weight*> weights;  // that multiply by them: none, one, or also the tied head
  void refresh(Context& ctx) const;
};

class Model {
 public:
  virtual ~Model() = default;
  // Picks the architecture by its name in the file; an unknown one is refused with the list of
  // known ones. `file` may be closed afterwards: what a weight still maps it keeps alive.
  static Result<std::unique_ptr<Model>> load(const WeightFile& file, const LoadOptions& options,
                                             Context& ctx);

  virtual const Config& config() const = 0;
  // With room for the keys and values of draft(), where it is loaded.
  virtual KvShape kv_shape(DType kv_dtype) const = 0;
  // What was loaded to learn; empty otherwise.
  virtual std::span<const ModelParameter> parameters() const { return {}; }
  virtual uint64_t weight_bytes() const = 0;  // resident, packed
  // Bytes of weights that a step of n_tokens tokens reads. Of the experts: as many as tokens that
  // choose freely are expected to reach.
  virtual uint64_t step_bytes(int64_t n_tokens) const = 0;
  // Logits [wanted, vocab_size] F32. Writes the keys and values of the batch's rows into `kv`.
  virtual Tensor forward(Context& ctx, const Batch& batch, KvPages& kv,
                         const Trace& trace = {}) const = 0;

  // Multi-token prediction (DeepSeek-V3, section 2.2): guesses the token after next. Row i of
  // `batch` stands at a position p: `hidden` row i [T, dim] is what forward (Trace::last) or the
  // draft before it (`next`) said there, and tokens[i] is the token at p + 1. Returns the logits of
  // the token at p + 2 [wanted, vocab_size]; writes its layer's keys and values at p. A draft looks
  // back at those of all positions before p: where some were skipped it is worse, never wrong, for
  // forward does not read them.
  virtual bool drafts() const { return false; }  // the layer is loaded
  // `trace` tells the experts of its layer.
  virtual Tensor draft(Context& /*ctx*/, const Batch& /*batch*/, const Tensor& /*hidden*/,
                       KvPages& /*kv*/, Tensor* /*next*/ = nullptr,
                       const Trace& /*trace*/ = {}) const {
    R1_CHECK(drafts());
    return {};
  }
};

}  // namespace r1

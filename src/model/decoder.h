// The frame of every decoder-only transformer here: embedding, blocks, final norm, head. A model
// file adds what makes it itself: how its settings are read, how a layer's tensors are bound, and
// what a block computes.
#pragma once

#include <memory>
#include <vector>

#include "model/binder.h"
#include "model/config.h"
#include "model/layers/gqa.h"
#include "model/model.h"

namespace r1 {

class Decoder : public Model {
 public:
  // Config, then weights; errors name the setting or all tensors that do not fit.
  Result<void> load(const WeightFile& file, std::string architecture, const LoadOptions& options,
                    Context& ctx);

  const Config& config() const override { return c; }
  KvShape kv_shape(DType kv_dtype) const override;
  std::span<const ModelParameter> parameters() const override { return parameters_; }
  uint64_t weight_bytes() const override { return weight_bytes_; }
  uint64_t step_bytes(int64_t) const override { return weight_bytes_; }
  Tensor forward(Context& ctx, const Batch& batch, KvPages& kv, const Trace& trace) const override;

 protected:
  virtual void read(Reader& r) = 0;  // fills c
  virtual void bind(Binder& b,
                    int64_t layer) = 0;  // layers are bound in order, names relative to the layer
  virtual void bind_rest(Binder&) {}     // what is beyond the layers
  // h [T, dim] -> [T, dim].
  virtual Tensor block(Context& ctx, Tensor h, const KvCache& kv, const Trace& trace) const = 0;

  // The pieces of forward.
  void check_batch(const Batch& batch, const KvPages& kv) const;
  RopeAngles angles(Context& ctx, const Batch& batch) const;
  Tensor embedded(Context& ctx, std::span<const int32_t> tokens) const;  // [T, dim]
  Tensor head(Context& ctx, const Tensor& h) const;  // normalised [n, dim] -> logits

  Config c;

 private:
  Result<void> configure(const WeightFile& file, std::string architecture,
                         const LoadOptions& options);
  void bind_all(Binder& b);

  StoredMatrix embedding_;  // [vocab_size, dim], mapped
  Tensor norm_;             // [dim]
  Weight head_;             // [vocab_size, dim]
  std::vector<double> frequencies_;
  std::shared_ptr<const WeightFile> file_;  // keeps the mapping
  std::vector<ModelParameter> parameters_;
  uint64_t weight_bytes_ = 0;
};

}  // namespace r1

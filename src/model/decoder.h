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
  uint64_t weight_bytes() const override { return weight_bytes_; }
  Tensor forward(Context& ctx, const Batch& batch, KvPages& kv,
                 std::vector<Tensor>* hidden) const override;

 protected:
  virtual void read(Reader& r) = 0;  // fills c
  virtual void bind(Binder& b,
                    int64_t layer) = 0;  // layers are bound in order, names relative to the layer
  // h [T, dim] -> [T, dim].
  virtual Tensor block(Context& ctx, Tensor h, const KvCache& kv) const = 0;

  Config c;

 private:
  Result<void> configure(const WeightFile& file, std::string architecture);
  void bind_all(Binder& b);
  void check_batch(const Batch& batch, const KvPages& kv) const;

  StoredMatrix embedding_;  // [vocab_size, dim], mapped
  Tensor norm_;             // [dim]
  Weight head_;             // [vocab_size, dim]
  std::vector<double> frequencies_;
  std::shared_ptr<const WeightFile> file_;  // keeps the mapping
  uint64_t weight_bytes_ = 0;
};

}  // namespace r1

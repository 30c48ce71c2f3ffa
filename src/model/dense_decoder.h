// The pre-norm block that Llama, Qwen2 and Qwen3 share (Touvron et al. 2023): attention, then
// SwiGLU, each on a normalised copy of the stream it adds to. What sets a model apart is its
// `read`.
#pragma once

#include <vector>

#include "model/decoder.h"
#include "model/layers/swiglu.h"

namespace r1 {

class DenseDecoder : public Decoder {
 protected:
  void bind(Binder& b, int64_t layer) override;
  Tensor block(Context& ctx, Tensor h, const KvCache& kv, const Trace& trace) const override;

 private:
  struct Layer {
    Tensor attn_norm, ffn_norm;  // [dim]
    GqaWeights attn;
    SwigluWeights ffn;
  };
  std::vector<Layer> layers_;
};

}  // namespace r1

// Qwen3, dense (Qwen Team, 2025: arXiv:2505.09388): Llama's block without biases, with an RMSNorm
// on every query and key head before RoPE.
#include "model/architectures.h"
#include "model/dense_decoder.h"

namespace r1 {
namespace {

class Qwen3 final : public DenseDecoder {
  void read(Reader& r) override {
    read_decoder(r, c);
    c.rope.layout = RopeLayout::kHalves;
    r.read(c.qkv_bias, "", "attention_bias", false);
    r.read(c.o_bias, "", "attention_bias", false);
    c.qk_norm = true;
  }
};

}  // namespace

std::unique_ptr<Decoder> make_qwen3() { return std::make_unique<Qwen3>(); }

}  // namespace r1

// Qwen2 and Qwen2.5 (Qwen Team, 2024: arXiv:2407.10671, 2412.15115): Llama's block with biases on
// queries, keys and values. The R1 distills of Qwen are of this form.
#include "model/architectures.h"
#include "model/dense_decoder.h"

namespace r1 {
namespace {

class Qwen2 final : public DenseDecoder {
  void read(Reader& r) override {
    read_decoder(r, c);
    c.rope.layout = RopeLayout::kHalves;
    c.qkv_bias = true;
  }
};

}  // namespace

std::unique_ptr<Decoder> make_qwen2() { return std::make_unique<Qwen2>(); }

}  // namespace r1

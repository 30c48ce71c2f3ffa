// Llama 2 and 3 (Touvron et al. 2023; Grattafiori et al. 2024), and what shares their form:
// SmolLM2, the R1 distills of Llama. GGUF files hold query and key rows permuted so that RoPE turns
// adjacent pairs; checkpoints turn halves.
#include "model/architectures.h"
#include "model/dense_decoder.h"

namespace r1 {
namespace {

class Llama final : public DenseDecoder {
  void read(Reader& r) override {
    read_decoder(r, c);
    c.rope.layout = r.gguf() ? RopeLayout::kAdjacent : RopeLayout::kHalves;
    // In GGUF the tensors say whether there are biases.
    r.read(c.qkv_bias, "", "attention_bias", r.file().find("blk.0.attn_q.bias") != nullptr);
    r.read(c.o_bias, "", "attention_bias", r.file().find("blk.0.attn_output.bias") != nullptr);
    r.read(c.mlp_bias, "", "mlp_bias", r.file().find("blk.0.ffn_gate.bias") != nullptr);
  }
};

}  // namespace

std::unique_ptr<Decoder> make_llama() { return std::make_unique<Llama>(); }

}  // namespace r1

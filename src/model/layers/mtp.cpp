#include "model/layers/mtp.h"

#include "tensor/heads.h"

namespace r1 {

bool has_mtp(const Binder& b) { return b.has("nextn.eh_proj.weight", "eh_proj.weight"); }

void bind(Binder& b, MtpWeights& l, const Config& c) {
  b.bind(l.e_norm, "nextn.enorm.weight", "enorm.weight", {c.dim});
  b.bind(l.h_norm, "nextn.hnorm.weight", "hnorm.weight", {c.dim});
  b.bind(l.proj, "nextn.eh_proj.weight", "eh_proj.weight", {c.dim, 2 * c.dim});
  b.bind(l.out_norm, "nextn.shared_head_norm.weight", "shared_head.norm.weight", {c.dim});
  // Copies of what the model has: section 2.2 shares them.
  b.ignore("nextn.embed_tokens.", "embed_tokens.");
  b.ignore("nextn.shared_head_head.", "shared_head.head.");
}

Tensor mtp_input(Context& ctx, const Config& c, const MtpWeights& l, const Tensor& hidden,
                 const Tensor& embedding) {
  // Checkpoints hold M with the embedding's half first.
  return linear(ctx,
                join_heads(ctx, rms_norm(ctx, embedding, l.e_norm, c.norm_eps),
                           rms_norm(ctx, hidden, l.h_norm, c.norm_eps), 1),
                l.proj);
}

}  // namespace r1

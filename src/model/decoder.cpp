#include "model/decoder.h"

#include "model/layers/rope.h"

namespace r1 {

Result<void> Decoder::configure(const WeightFile& file, std::string architecture) {
  c.architecture = architecture;
  Reader reader(file, std::move(architecture));
  read_decoder(reader, c);
  read(reader);
  R1_DO(reader.finish());
  return check(c, file);
}

void Decoder::bind_all(Binder& b) {
  b.bind(embedding_, "token_embd.weight", "model.embed_tokens.weight", {c.vocab_size, c.dim});
  for (int64_t i = 0; i < c.n_layers; ++i) {
    b.prefix(fmt::format("blk.{}.", i), fmt::format("model.layers.{}.", i));
    bind(b, i);
  }
  b.prefix("", "");
  b.bind(norm_, "output_norm.weight", "model.norm.weight", {c.dim});
  if (c.tied) {
    b.bind(head_, "token_embd.weight", "model.embed_tokens.weight", {c.vocab_size, c.dim});
  } else {
    b.bind(head_, "output.weight", "lm_head.weight", {c.vocab_size, c.dim});
  }
}

Result<void> Decoder::load(const WeightFile& file, std::string architecture,
                           const LoadOptions& options, Context& ctx) {
  R1_DO(configure(file, std::move(architecture)));
  Binder binder(file);
  bind_all(binder);
  R1_TRY(weight_bytes_, binder.load(ctx, options));
  frequencies_ = rope_frequencies(c.rope);
  file_ = std::make_shared<const WeightFile>(file);
  return {};
}

KvShape Decoder::kv_shape(DType kv_dtype) const {
  const int head_dim = static_cast<int>(c.head_dim);
  return {static_cast<int>(c.n_layers), static_cast<int>(c.n_kv_heads), head_dim, head_dim,
          kv_dtype};
}

void Decoder::check_batch(const Batch& batch, const KvPages& kv) const {
  R1_CHECK(kv.shape().n_layers == c.n_layers && kv.shape().n_heads == c.n_kv_heads &&
           kv.shape().k_dim == c.head_dim);
  int64_t next = 0;
  for (const SequenceRows& s : batch.parts) {
    R1_CHECK(s.first == next && s.count > 0 && s.position >= 0);
    R1_CHECK(std::ssize(s.pages) * kKvPage >= int64_t{s.position} + s.count);
    next += s.count;
  }
  R1_CHECK(next == std::ssize(batch.tokens));
}

Tensor Decoder::forward(Context& ctx, const Batch& batch, KvPages& kv,
                        std::vector<Tensor>* hidden) const {
  check_batch(batch, kv);
  std::vector<int32_t> positions;
  for (const SequenceRows& s : batch.parts) {
    for (int32_t i = 0; i < s.count; ++i) positions.push_back(s.position + i);
  }
  const RopeAngles angles = rope_angles(ctx, c.rope, frequencies_, positions);
  if (hidden) hidden->clear();

  Tensor h = embed(ctx, embedding_, batch.tokens);  // [T, dim]
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (hidden) hidden->push_back(h);
    h = block(ctx, h, {kv, layer, batch.parts, angles});
  }
  if (hidden) hidden->push_back(rms_norm(ctx, h, norm_, c.norm_eps));
  h = rms_norm(ctx, rows(ctx, h, batch.wanted), norm_, c.norm_eps);
  return linear(ctx, h, head_);  // [wanted, vocab_size]
}

}  // namespace r1

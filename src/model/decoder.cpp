#include "model/decoder.h"

#include "model/layers/rope.h"
#include "tensor/tape.h"

namespace r1 {

void ModelParameter::refresh(Context& ctx) const {
  for (Weight* w : weights) w->refresh(ctx);
}

Result<void> Decoder::configure(const WeightFile& file, std::string architecture,
                                const LoadOptions& options) {
  c.architecture = architecture;
  Reader reader(file, std::move(architecture));
  read(reader);
  R1_DO(reader.finish());
  return check(c, file, options.draw.has_value());
}

void Decoder::bind_all(Binder& b) {
  b.bind(embedding_, "token_embd.weight", "model.embed_tokens.weight", {c.vocab_size, c.dim});
  for (int64_t i = 0; i < c.n_layers; ++i) {
    b.prefix(fmt::format("blk.{}.", i), fmt::format("model.layers.{}.", i));
    bind(b, i);
  }
  bind_rest(b);
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
  R1_DO(configure(file, std::move(architecture), options));
  Binder binder(file, options);
  bind_all(binder);
  R1_TRY(weight_bytes_, binder.load(ctx));
  parameters_ = binder.take_parameters();
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
  const KvShape shape = kv_shape(kv.shape().dtype);
  R1_CHECK(kv.shape().n_layers == shape.n_layers && kv.shape().n_heads == shape.n_heads &&
           kv.shape().k_dim == shape.k_dim && kv.shape().v_dim == shape.v_dim);
  int64_t next = 0;
  for (const SequenceRows& s : batch.parts) {
    R1_CHECK(s.first == next && s.count > 0 && s.position >= 0);
    R1_CHECK(std::ssize(s.pages) * kKvPage >= int64_t{s.position} + s.count);
    next += s.count;
  }
  R1_CHECK(next == std::ssize(batch.tokens));
}

RopeAngles Decoder::angles(Context& ctx, const Batch& batch) const {
  std::pmr::vector<int32_t> positions(ctx.memory());
  positions.reserve(batch.tokens.size());
  for (const SequenceRows& s : batch.parts) {
    for (int32_t i = 0; i < s.count; ++i) positions.push_back(s.position + i);
  }
  return rope_angles(ctx, c.rope, frequencies_, positions);
}

Tensor Decoder::embedded(Context& ctx, std::span<const int32_t> tokens) const {
  return embed(ctx, embedding_, tokens);
}

Tensor Decoder::head(Context& ctx, const Tensor& h) const { return linear(ctx, h, head_); }

Tensor Decoder::forward(Context& ctx, const Batch& batch, KvPages& kv, const Trace& trace) const {
  check_batch(batch, kv);
  if (trace.hidden) trace.hidden->clear();
  if (trace.experts) trace.experts->clear();
  const RopeAngles rope = angles(ctx, batch);
  Tensor h = embedded(ctx, batch.tokens);  // [T, dim]
  for (int layer = 0; layer < c.n_layers; ++layer) {
    if (trace.hidden) trace.hidden->push_back(h);
    h = recomputed(ctx, h, [&, rope, layer](const Tensor& x, bool again) {
      return block(ctx, x, {kv, layer, batch.parts, rope}, again ? Trace{} : trace);
    });
  }
  if (trace.hidden || trace.last) {
    const Tensor last = rms_norm(ctx, h, norm_, c.norm_eps);
    if (trace.hidden) trace.hidden->push_back(last);
    if (trace.last) *trace.last = last;
  }
  return head(ctx, rms_norm(ctx, rows(ctx, h, batch.wanted), norm_, c.norm_eps));
}

}  // namespace r1

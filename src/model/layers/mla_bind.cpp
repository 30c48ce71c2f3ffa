// The tensors of latent attention. W^UK and W^UV come as one matrix kv_b (checkpoints, and GGUF of
// 1025 tensors), or in GGUF of 1086 apart, W^UK transposed already. What a form needs transposed
// and the file has not is made here, exactly: floats keep their type, blocks become F32, because
// blocks along another axis would be other values, and a weight is never quantized again.
#include <memory>

#include "model/layers/mla.h"

namespace r1 {
namespace {

// As stored, until load has packed it.
struct Stored {
  StoredMatrix kv_b;      // [n_heads * (d_nope + v_head_dim), rank]
  StoredMatrix k_b, v_b;  // [n_heads * rank, d_nope], [n_heads * v_head_dim, rank]
  size_t linear = 0;      // kv_b's number, as low-rank updates know it in either form
};

// A matrix for each head, and the memory of those that were made.
struct PerHead {
  std::vector<StoredMatrix> matrices;
  std::vector<std::vector<std::byte>> made;
};

struct Halves {
  PerHead uk, uv;
};

DType exact_type(DType type) {
  return info(type).block == 1 && type != DType::kF8E4M3 ? type : DType::kF32;
}

// Rows [first, first + n) of m, transposed or not, decoded. Values of float types survive a round
// trip through F32.
void add_decoded(PerHead& heads, const StoredMatrix& m, int64_t first, int64_t n, bool transposed) {
  const int64_t rows = transposed ? m.cols : n, cols = transposed ? n : m.cols;
  std::vector<float> values(static_cast<size_t>(n * m.cols)), row(static_cast<size_t>(m.cols));
  for (int64_t i = 0; i < n; ++i) {
    m.decode_row(first + i, row.data());
    for (int64_t j = 0; j < m.cols; ++j)
      values[static_cast<size_t>(transposed ? j * n + i : i * m.cols + j)] =
          row[static_cast<size_t>(j)];
  }
  StoredMatrix made;
  made.dtype = exact_type(m.dtype);
  made.rows = rows;
  made.cols = cols;
  heads.made.emplace_back(
      *stored_bytes(made.dtype, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols)));
  info(made.dtype).encode(values.data(), heads.made.back().data(), values.size(), nullptr);
  made.bytes = heads.made.back().data();
  heads.matrices.push_back(std::move(made));
}

void add_head(PerHead& heads, const StoredMatrix& m, int64_t first, int64_t n, bool transposed) {
  if (transposed || !m.scales.empty()) return add_decoded(heads, m, first, n, transposed);
  heads.matrices.push_back(m.slice(first, n));
}

Result<uint64_t> pack(Context& ctx, Binder& b, const Config& c, const Stored& stored,
                      MlaWeights& l) {
  const int64_t d_nope = c.mla.qk_nope_head_dim, d_v = c.mla.v_head_dim;
  const bool absorbed = b.options().mla == MlaForm::kAbsorbed;
  const auto halves = std::make_shared<Halves>();
  auto& [uk, uv] = *halves;
  for (int64_t h = 0; h < c.n_heads; ++h) {
    if (stored.kv_b.bytes) {
      add_head(uk, stored.kv_b, h * (d_nope + d_v), d_nope, absorbed);
      add_head(uv, stored.kv_b, h * (d_nope + d_v) + d_nope, d_v, false);
    } else {
      add_head(uk, stored.k_b, h * c.mla.kv_lora_rank, c.mla.kv_lora_rank, !absorbed);
      add_head(uv, stored.v_b, h * d_v, d_v, false);
    }
  }
  l.w_uk.resize(static_cast<size_t>(c.n_heads));
  l.w_uv.resize(static_cast<size_t>(c.n_heads));
  std::vector<Packing> all;
  for (size_t h = 0; h < l.w_uk.size(); ++h) all.push_back({&l.w_uk[h], &uk.matrices[h]});
  for (size_t h = 0; h < l.w_uv.size(); ++h) all.push_back({&l.w_uv[h], &uv.matrices[h]});
  R1_TRY(const uint64_t bytes, pack_all(ctx, b.options().compute, all));
  if (!b.options().lora) return bytes;
  l.exact = halves;
  for (int64_t h = 0; h < c.n_heads; ++h) {
    const auto i = static_cast<size_t>(h);
    const int64_t first = h * (d_nope + d_v);
    l.w_uk[i].adapt(uk.matrices[i], b.lora(ctx, stored.linear, first, d_nope, absorbed));
    l.w_uv[i].adapt(uv.matrices[i], b.lora(ctx, stored.linear, first + d_nope, d_v));
  }
  return bytes;
}

uint64_t learn(Context& ctx, Binder& b, const Config& c, const Stored& stored, MlaWeights& l) {
  const int64_t d_nope = c.mla.qk_nope_head_dim, d_v = c.mla.v_head_dim, rank = c.mla.kv_lora_rank;
  const bool absorbed = b.options().mla == MlaForm::kAbsorbed;
  l.w_uk.resize(static_cast<size_t>(c.n_heads));
  l.w_uv.resize(static_cast<size_t>(c.n_heads));
  for (int64_t h = 0; h < c.n_heads; ++h) {
    Weight &uk = l.w_uk[static_cast<size_t>(h)], &uv = l.w_uv[static_cast<size_t>(h)];
    if (stored.kv_b.bytes) {
      b.learn(ctx, uk, stored.kv_b.slice(h * (d_nope + d_v), d_nope), absorbed);
      b.learn(ctx, uv, stored.kv_b.slice(h * (d_nope + d_v) + d_nope, d_v));
    } else {
      b.learn(ctx, uk, stored.k_b.slice(h * rank, rank), !absorbed);
      b.learn(ctx, uv, stored.v_b.slice(h * d_v, d_v));
    }
  }
  return 0;
}

}  // namespace

void bind(Binder& b, MlaWeights& l, const Config& c) {
  const MlaConfig& m = c.mla;
  const int64_t q = c.n_heads * c.head_dim;
  if (m.q_lora_rank > 0) {
    b.bind(l.wq_a, "attn_q_a.weight", "self_attn.q_a_proj.weight", {m.q_lora_rank, c.dim});
    b.bind(l.q_norm, "attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight", {m.q_lora_rank});
    b.bind(l.wq_b, "attn_q_b.weight", "self_attn.q_b_proj.weight", {q, m.q_lora_rank});
  } else {
    b.bind(l.wq, "attn_q.weight", "self_attn.q_proj.weight", {q, c.dim});
  }
  b.bind(l.wkv_a, "attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight",
         {m.kv_lora_rank + m.qk_rope_head_dim, c.dim});
  b.bind(l.kv_norm, "attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight", {m.kv_lora_rank});
  b.bind(l.wo, "attn_output.weight", "self_attn.o_proj.weight", {c.dim, c.n_heads * m.v_head_dim});

  const auto stored = std::make_shared<Stored>();
  const std::vector<int64_t> of_kv_b = {c.n_heads * (m.qk_nope_head_dim + m.v_head_dim),
                                        m.kv_lora_rank};
  stored->linear = b.linear("attn_kv_b.weight", "self_attn.kv_b_proj.weight", of_kv_b);
  if (b.gguf() && b.has("attn_k_b.weight", "")) {
    b.ignore("attn_kv_b.weight", "");  // some files hold both
    b.bind(stored->k_b, "attn_k_b.weight", "", {c.n_heads, m.kv_lora_rank, m.qk_nope_head_dim});
    b.bind(stored->v_b, "attn_v_b.weight", "", {c.n_heads, m.v_head_dim, m.kv_lora_rank});
  } else {
    b.bind(stored->kv_b, "attn_kv_b.weight", "self_attn.kv_b_proj.weight", of_kv_b);
  }
  b.then([&l, &b, &c, stored](Context& ctx) -> Result<uint64_t> {
    if (b.options().learn) return learn(ctx, b, c, *stored, l);
    return pack(ctx, b, c, *stored, l);
  });
}

}  // namespace r1

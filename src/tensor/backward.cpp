#include "tensor/backward.h"

#include <algorithm>
#include <vector>

#include "kernels/attention/attention_backward.h"
#include "kernels/norm/norm_backward.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/log_probability.h"
#include "kernels/swiglu/swiglu_backward.h"
#include "tensor/products.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;

Tensor like(Context& ctx, const Tensor& x) { return ctx.tensor(x.rows(), x.cols()); }

Tensor zeros(Context& ctx, int64_t rows, int64_t cols) {
  Tensor x = ctx.tensor(rows, cols);
  fill_zeros(ctx, x);
  return x;
}

// to[j] += sum of column j, rows in order.
void add_columns(Context& ctx, const Tensor& x, float* to) {
  ctx.parallel(x.cols(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < x.rows(); ++i) {
      for (int64_t j = begin; j < end; ++j) to[j] += x.data()[i * x.cols() + j];
    }
  });
}

}  // namespace

void LinearGradient::through_stored(Context& ctx, float* dx, int64_t dx_stride, bool add) const {
  constexpr int64_t kDecoded = 4 << 20;  // values of a block
  const StoredMatrix& stored = *w.stored();
  const int64_t block = std::clamp<int64_t>(kDecoded / stored.cols, 1, stored.rows);
  const Tensor values = ctx.tensor(block, stored.cols);
  for (int64_t first = 0; first < stored.rows; first += block) {
    const int64_t n = std::min(block, stored.rows - first);
    ctx.parallel(n, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) stored.decode_row(first + i, values.row(i).data());
    });
    const GemmProduct product{.m = n_rows,
                              .n = stored.cols,
                              .k = n,
                              .a = {dy + first, dy_stride, 1},
                              .b = {values.data(), stored.cols, 1},
                              .c = dx,
                              .c_stride = dx_stride,
                              .add = add || first > 0};
    multiply(ctx, {&product, 1});
  }
}

void fill_zeros(Context& ctx, const Tensor& x) {
  ctx.parallel(x.size(), kWork, [&](int64_t begin, int64_t end) {
    std::fill(x.data() + begin, x.data() + end, 0.0f);
  });
}

void LinearGradient::by_x(std::vector<GemmProduct>& to, float* dx, int64_t dx_stride,
                          bool add) const {
  const Tensor& values = w.values();
  R1_CHECK(values);
  GemmOperand b{values.data(), w.cols(), 1};
  if (w.turned()) b = {values.data(), 1, w.rows()};
  to.push_back({n_rows,
                w.cols(),
                w.rows(),
                {dy, dy_stride, 1},
                b,
                dx,
                dx_stride,
                add,
                w.kernel().dtype == DType::kBF16});
}

void LinearGradient::by_w(std::vector<GemmProduct>& to, const Tape& tape) const {
  float* gradient = w.learns() ? tape.leaf_gradient(w.values().data()) : nullptr;
  if (!gradient) return;
  const GemmOperand of_y{dy, 1, dy_stride}, of_x{x, x_stride, 1};
  const bool bf16 = w.kernel().dtype == DType::kBF16;
  if (w.turned()) {  // the values are W^T: theirs is x^T dy
    to.push_back({w.cols(),
                  w.rows(),
                  n_rows,
                  {x, 1, x_stride},
                  {dy, dy_stride, 1},
                  gradient,
                  w.rows(),
                  true,
                  bf16});
  } else {
    to.push_back({w.rows(), w.cols(), n_rows, of_y, of_x, gradient, w.cols(), true, bf16});
  }
}

void add_rows(Context& ctx, const Tensor& x, std::span<const int32_t> index, float* to,
              int64_t n_rows) {
  R1_CHECK(std::ssize(index) == x.rows());
  for (const int32_t i : index) R1_CHECK(i >= 0 && i < n_rows);
  ctx.parallel(x.cols(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < x.rows(); ++i) {
      float* row = to + index[static_cast<size_t>(i)] * x.cols();
      for (int64_t j = begin; j < end; ++j) row[j] += x.data()[i * x.cols() + j];
    }
  });
}

SwigluGradient swiglu_gradient(Context& ctx, const Tensor& gate, const Tensor& up,
                               const Tensor& dy) {
  SwigluBackward* run = best(kSwigluBackward, ctx.isa());
  SwigluGradient d{like(ctx, gate), like(ctx, up)};
  ctx.parallel(dy.size(), kWork / 4, [&](int64_t begin, int64_t end) {
    run(gate.data() + begin, up.data() + begin, dy.data() + begin, end - begin,
        d.gate.data() + begin, d.up.data() + begin);
  });
  return d;
}

void record_embed(Context& ctx, const StoredMatrix& table, std::span<const int32_t> tokens,
                  const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  const auto* values = reinterpret_cast<const float*>(table.bytes);
  std::vector<int32_t> ids(tokens.begin(), tokens.end());
  tape->record(y, [&ctx, tape, values, n = table.rows, ids = std::move(ids)](const Tensor& dy) {
    if (float* gradient = tape->leaf_gradient(values)) add_rows(ctx, dy, ids, gradient, n);
  });
}

void record_rows(Context& ctx, const Tensor& x, std::span<const int32_t> index, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  std::vector<int32_t> at(index.begin(), index.end());
  tape->record(y, [&ctx, tape, x, at = std::move(at)](const Tensor& dy) {
    const auto [dx, holds] = tape->sum_of(x);
    if (!holds) fill_zeros(ctx, dx);
    add_rows(ctx, dy, at, dx.data(), dx.rows());
  });
}

void record_rms_norm(Context& ctx, const Tensor& x, const Tensor& w, double eps, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, w, eps](const Tensor& dy) {
    const int64_t cols = w.cols(), rows = x.size() / cols;
    const Tensor dx = like(ctx, x), r = ctx.tensor(1, rows);
    RmsNormBackward* run = best(kRmsNormBackward, ctx.isa());
    ctx.parallel(rows, std::max<int64_t>(1, kWork / cols), [&](int64_t begin, int64_t end) {
      run(x.data() + begin * cols, w.data(), dy.data() + begin * cols, static_cast<float>(eps),
          end - begin, cols, dx.data() + begin * cols, r.data() + begin);
    });
    tape->add(x, dx);
    float* gradient = tape->leaf_gradient(w.data());
    if (!gradient) return;
    RmsNormWeightBackward* of_weight = best(kRmsNormWeightBackward, ctx.isa());
    ctx.parallel(cols, 16, [&](int64_t begin, int64_t end) {
      of_weight(x.data(), dy.data(), r.data(), rows, cols, begin, end, gradient);
    });
  });
}

void record_linear(Context& ctx, const Tensor& x, const Weight& w, const Tensor& bias,
                   const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, w, bias](const Tensor& dy) {  // w: experts come and go
    const auto [dx, holds] = tape->sum_of(x);
    const LinearGradient gradient_of{w, x.data(), x.cols(), dy.data(), dy.cols(), dy.rows()};
    std::vector<GemmProduct> products;
    if (w.stored()) {
      gradient_of.through_stored(ctx, dx.data(), dx.cols(), holds);
    } else {
      gradient_of.by_x(products, dx.data(), dx.cols(), holds);
    }
    gradient_of.by_w(products, *tape);
    multiply(ctx, products);
    float* gradient = bias ? tape->leaf_gradient(bias.data()) : nullptr;
    if (gradient) add_columns(ctx, dy, gradient);
  });
}

void record_add(Context& ctx, const Tensor& a, const Tensor& b, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [tape, a, b](const Tensor& dy) {
    tape->add(a, dy);
    tape->add(b, dy);
  });
}

void record_scale(Context& ctx, const Tensor& x, float factor, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y,
               [&ctx, tape, x, factor](const Tensor& dy) { tape->add(x, scale(ctx, dy, factor)); });
}

void record_swiglu(Context& ctx, const Tensor& gate, const Tensor& up, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, gate, up](const Tensor& dy) {
    const SwigluGradient d = swiglu_gradient(ctx, gate, up, dy);
    tape->add(gate, d.gate);
    tape->add(up, d.up);
  });
}

// A rotation's gradient is the rotation back: the same op with the sines turned.
void record_rope(Context& ctx, const Tensor& x, const RopeAngles& angles, int64_t head_dim,
                 int64_t first, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, angles, head_dim, first](const Tensor& dy) {
    RopeAngles back = angles;
    back.sin = like(ctx, angles.sin);
    for (int64_t i = 0; i < back.sin.size(); ++i) back.sin.data()[i] = -angles.sin.data()[i];
    tape->add(x, rope(ctx, dy, back, head_dim, first));
  });
}

void record_attention(Context& ctx, const Tensor& q, int64_t n_heads, int layer,
                      std::span<const SequenceRows> sequences, double scale, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  struct Span {
    int64_t first, count;
  };
  std::vector<Span> spans;
  for (const SequenceRows& s : sequences) {
    R1_CHECK(s.position == 0);
    spans.push_back({s.first, s.count});
  }
  // Latent values (MLA) are the beginnings of the keys.
  const auto& kv = tape->kv(layer);
  const int64_t v_dim = y.cols() / n_heads, n_kv = kv.v ? kv.v.cols() / v_dim : 1;
  tape->record(y, [&ctx, tape, q, k = kv.k, v = kv.v ? kv.v : kv.k, n_heads, n_kv, v_dim, scale,
                   spans = std::move(spans)](const Tensor& dy) {
    const int64_t k_dim = k.cols() / n_kv, group = n_heads / n_kv;
    const Tensor dq = like(ctx, q), dk = zeros(ctx, k.rows(), k.cols()),
                 dv = v.data() == k.data() ? dk : zeros(ctx, v.rows(), v.cols());
    AttentionBackward* run = best(kAttentionBackward, ctx.isa());
    ctx.parallel(std::ssize(spans) * n_kv, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch;
      for (int64_t item = begin; item < end; ++item) {
        const Span& s = spans[static_cast<size_t>(item / n_kv)];
        const int64_t head = item % n_kv;
        scratch.resize(static_cast<size_t>(attention_backward_scratch(s.count, k_dim, v_dim)));
        const auto at = [&](const Tensor& x, int64_t heads_dim) {
          return x.data() + s.first * x.cols() + head * heads_dim;
        };
        run({.n = s.count,
             .n_heads = group,
             .k_dim = k_dim,
             .v_dim = v_dim,
             .scale = static_cast<float>(scale),
             .q = at(q, group * k_dim),
             .k = at(k, k_dim),
             .v = at(v, v_dim),
             .dy = at(dy, group * v_dim),
             .dq = at(dq, group * k_dim),
             .dk = at(dk, k_dim),
             .dv = at(dv, v_dim),
             .q_stride = q.cols(),
             .k_stride = k.cols(),
             .v_stride = v.cols(),
             .y_stride = dy.cols()},
            scratch.data());
      }
    });
    tape->add(q, dq);
    tape->add(k, dk);
    if (v.data() != k.data()) tape->add(v, dv);
  });
}

void record_log_probability(Context& ctx, const Tensor& logits, std::span<const int32_t> tokens,
                            const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  std::vector<int32_t> ids(tokens.begin(), tokens.end());
  tape->record(y, [&ctx, tape, logits, ids = std::move(ids)](const Tensor& dy) {
    // Where they lie, if nobody else holds them: beside this record that of their own op, and the
    // context. Its backward does not ask for them.
    const Tensor dlogits = logits.memory().use_count() <= 3 ? logits : like(ctx, logits);
    LogProbabilityBackward* run = best(kLogProbabilityBackward, ctx.isa());
    ctx.parallel(dy.rows(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        run(logits.row(t).data(), logits.cols(), ids[static_cast<size_t>(t)], dy.row(t)[0],
            dlogits.row(t).data());
      }
    });
    tape->add(logits, dlogits);
  });
}

}  // namespace r1

// The gradient of a mixture of experts: all experts' products of a kind are one parallel loop, as
// in the forward; a token's gradient is added in the order of ids.
#include <algorithm>
#include <vector>

#include "kernels/elementwise/elementwise.h"
#include "kernels/gate/gate_backward.h"
#include "kernels/swiglu/swiglu.h"
#include "kernels/swiglu/swiglu_backward.h"
#include "tensor/backward.h"
#include "tensor/moe.h"
#include "tensor/products.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;  // least elements of a range

int64_t grain(int64_t cols) { return std::max<int64_t>(1, kWork / std::max<int64_t>(1, cols)); }

// a . b in sixteen sums, which become vectors.
float dot(const float* a, const float* b, int64_t n) {
  float sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int64_t j = 0; j < 16; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum;
}

Tensor gathered(Context& ctx, const Tensor& x, std::span<const int64_t> tokens) {
  Tensor y = ctx.tensor(std::ssize(tokens), x.cols());
  ctx.parallel(y.rows(), grain(x.cols()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::ranges::copy(x.row(tokens[static_cast<size_t>(i)]), y.row(i).begin());
  });
  return y;
}

// The gradient of some experts by their rows.
class Backward {
 public:
  // dy: of their outputs, before weights; dx: where that of their inputs is written or added.
  Backward(Context& ctx, const Tape& tape, const ExpertRows& met, Tensor x, Tensor dy, Tensor dx,
           bool add)
      : ctx_(ctx),
        tape_(tape),
        met_(met),
        x_(std::move(x)),
        dy_(std::move(dy)),
        dx_(std::move(dx)),
        add_(add) {
    for (Tensor* t : {&h_, &dgate_, &dup_}) *t = ctx.tensor(met.gate.rows(), met.gate.cols());
  }

  // dh = dy W_down, into dgate's memory.
  void down(std::vector<GemmProduct>& to) const {
    each(&Expert::down, h_, dy_, [&](const LinearGradient& g, int64_t first) {
      g.by_x(to, dgate_.row(first).data(), dgate_.cols(), false);
    });
  }

  // Rows' outputs count weights[r] (all 1 where there are none): dweights[r] = output . dy = h .
  // dh.
  void gate(std::span<const float> weights, std::span<float> dweights) const {
    SwiGlu* swiglu = best(kSwiGlu, ctx_.isa());
    SwigluBackward* backward = best(kSwigluBackward, ctx_.isa());
    const int64_t cols = h_.cols();
    ctx_.parallel(h_.rows(), grain(cols), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float *h = h_.row(i).data(), *dh = dgate_.row(i).data();
        const float *g = met_.gate.row(i).data(), *u = met_.up.row(i).data();
        swiglu(g, u, cols, h);
        if (!weights.empty()) {
          dweights[static_cast<size_t>(i)] = dot(h, dh, cols);
          const float weight = weights[static_cast<size_t>(i)];
          for (int64_t j = 0; j < cols; ++j) {
            h[j] *= weight;
            dh[j] *= weight;
          }
        }
        backward(g, u, dh, cols, dh, dup_.row(i).data());
      }
    });
  }

  // The weights' gradients, and dx = dgate W_gate, to which dup W_up is added by up().
  void inputs(std::vector<GemmProduct>& to) const {
    each(&Expert::down, h_, dy_, [&](const LinearGradient& g, int64_t) { g.by_w(to, tape_); });
    each(&Expert::up, x_, dup_, [&](const LinearGradient& g, int64_t) { g.by_w(to, tape_); });
    each(&Expert::gate, x_, dgate_, [&](const LinearGradient& g, int64_t first) {
      g.by_w(to, tape_);
      g.by_x(to, dx_.row(first).data(), dx_.cols(), add_);
    });
  }
  void up(std::vector<GemmProduct>& to) const {
    each(&Expert::up, x_, dup_, [&](const LinearGradient& g, int64_t first) {
      g.by_x(to, dx_.row(first).data(), dx_.cols(), true);
    });
  }

 private:
  template <class Visit>
  void each(Weight Expert::*weight, const Tensor& x, const Tensor& dy, const Visit& visit) const {
    for (size_t i = 0; i < met_.experts.size(); ++i) {
      const int64_t first = met_.starts[i], n = met_.starts[i + 1] - first;
      visit(LinearGradient{met_.experts[i].*weight, x.row(first).data(), x.cols(),
                           dy.row(first).data(), dy.cols(), n},
            first);
    }
  }

  Context& ctx_;
  const Tape& tape_;
  const ExpertRows& met_;
  Tensor x_, dy_, dx_;
  bool add_;
  Tensor h_, dgate_, dup_;  // [rows, inter]
};

}  // namespace

void record_route(Context& ctx, const Gate& g, const Tensor& logits, const Routing& routing) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(
      routing.weights, [&ctx, tape, g, logits, experts = routing.experts](const Tensor& dweights) {
        const Tensor dlogits = ctx.tensor(logits.rows(), logits.cols());
        ctx.parallel(logits.rows(), 64, [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            gate_backward(g, logits.row(t).data(), &experts[static_cast<size_t>(t * g.n_used)],
                          dweights.row(t).data(), dlogits.row(t).data());
          }
        });
        tape->add(logits, dlogits);
      });
}

void record_mix_experts(Context& ctx, const Tensor& x, const Routing& routing, ExpertRows routed,
                        std::vector<int64_t> slots, ExpertRows shared, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, weights = routing.weights, routed = std::move(routed),
                   slots = std::move(slots), shared = std::move(shared)](const Tensor& dy) {
    const int64_t n_used = weights.cols(), dim = x.cols();
    const Tape::Sum sum = tape->sum_of(x);
    const auto of_rows = ctx.tensor(std::ssize(slots), dim);
    std::vector<Backward> parts;
    parts.reserve(2);
    parts.emplace_back(ctx, *tape, routed, gathered(ctx, x, routed.tokens),
                       gathered(ctx, dy, routed.tokens), of_rows, false);
    const bool with_shared = !shared.experts.empty();
    if (with_shared) parts.emplace_back(ctx, *tape, shared, x, dy, sum.to, sum.holds);
    if (!with_shared && !sum.holds) fill_zeros(ctx, sum.to);

    std::vector<GemmProduct> products;
    const auto run = [&](void (Backward::*add)(std::vector<GemmProduct>&) const) {
      products.clear();
      for (const Backward& part : parts) (part.*add)(products);
      multiply(ctx, products);
    };
    run(&Backward::down);
    std::vector<float> sorted(slots.size()), dsorted(slots.size());
    for (size_t i = 0; i < slots.size(); ++i)
      sorted[static_cast<size_t>(slots[i])] = weights.data()[i];
    parts[0].gate(sorted, dsorted);
    if (with_shared) parts[1].gate({}, {});
    run(&Backward::inputs);
    run(&Backward::up);

    Add* add = best(kAdd, ctx.isa());
    const Tensor dweights = ctx.tensor(weights.rows(), n_used);
    ctx.parallel(x.rows(), grain(dim * n_used), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * n_used; i < end * n_used; ++i) {
        const int64_t slot = slots[static_cast<size_t>(i)];
        dweights.data()[i] = dsorted[static_cast<size_t>(slot)];
        float* to = sum.to.row(i / n_used).data();
        add(to, of_rows.row(slot).data(), dim, to);
      }
    });
    tape->add(weights, dweights);
  });
}

void record_weighted_sum(Context& ctx, std::vector<Tensor> outputs, std::vector<int64_t> slots,
                         const Tensor& weights, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, outputs = std::move(outputs), slots = std::move(slots),
                   weights](const Tensor& dy) {
    std::vector<Tensor> gradients;
    std::vector<const float*> of_slot;
    std::vector<float*> gradient_of_slot;
    for (const Tensor& output : outputs) {
      const Tensor& gradient = gradients.emplace_back(ctx.tensor(output.rows(), output.cols()));
      for (int64_t i = 0; i < output.rows(); ++i) {
        of_slot.push_back(output.row(i).data());
        gradient_of_slot.push_back(gradient.row(i).data());
      }
    }
    const int64_t n_used = weights.cols(), dim = dy.cols();
    const Tensor dweights = ctx.tensor(weights.rows(), n_used);
    ctx.parallel(weights.size(), grain(dim), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto slot = static_cast<size_t>(slots[static_cast<size_t>(i)]);
        const float* of_token = dy.row(i / n_used).data();
        dweights.data()[i] = dot(of_slot[slot], of_token, dim);
        const float weight = weights.data()[i];
        for (int64_t j = 0; j < dim; ++j) gradient_of_slot[slot][j] = weight * of_token[j];
      }
    });
    for (size_t e = 0; e < outputs.size(); ++e) tape->add(outputs[e], gradients[e]);
    tape->add(weights, dweights);
  });
}

}  // namespace r1

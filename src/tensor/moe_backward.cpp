// The gradient of a mixture of experts: an expert's tokens are met again, expert by expert, in the
// order of ids.
#include <algorithm>
#include <vector>

#include "kernels/gate/gate_backward.h"
#include "tensor/backward.h"
#include "tensor/moe.h"
#include "tensor/products.h"

namespace r1 {
namespace {

// Tokens of one expert, and their places in the routing.
struct Visit {
  std::vector<int32_t> tokens;
  std::vector<int64_t> places;
};

Tensor scaled_rows(Context& ctx, const Tensor& x, const std::vector<float>& scales) {
  Tensor y = ctx.tensor(x.rows(), x.cols());
  for (int64_t i = 0; i < x.rows(); ++i) {
    const float scale = scales[static_cast<size_t>(i)];
    for (int64_t j = 0; j < x.cols(); ++j)
      y.row(i)[static_cast<size_t>(j)] = scale * x.data()[i * x.cols() + j];
  }
  return y;
}

// The gradient of expert(x) by x, given that of its output; those of its weights are added.
// `output` is called with expert(x).
template <class Output>
Tensor expert_backward(Context& ctx, Tape& tape, const Expert& e, const Tensor& x,
                       const Output& gradient_of_output) {
  const Tensor gate = linear(ctx, x, e.gate), up = linear(ctx, x, e.up);
  const Tensor h = swiglu(ctx, gate, up);
  const Tensor dy = gradient_of_output(linear(ctx, h, e.down));
  const int64_t n = x.rows();
  const Tensor dh = ctx.tensor(n, h.cols()), dx = ctx.tensor(n, x.cols());
  std::vector<GemmProduct> products;
  const LinearGradient down{e.down, h.data(), h.cols(), dy.data(), dy.cols(), n};
  down.by_w(products, tape);
  down.by_x(products, dh.data(), dh.cols(), false);
  multiply(ctx, products);
  products.clear();
  const auto [dgate, dup] = swiglu_gradient(ctx, gate, up, dh);
  const LinearGradient of_gate{e.gate, x.data(), x.cols(), dgate.data(), dgate.cols(), n};
  const LinearGradient of_up{e.up, x.data(), x.cols(), dup.data(), dup.cols(), n};
  of_gate.by_w(products, tape);
  of_up.by_w(products, tape);
  of_gate.by_x(products, dx.data(), dx.cols(), false);
  multiply(ctx, products);
  products.clear();
  of_up.by_x(products, dx.data(), dx.cols(), true);
  multiply(ctx, products);
  return dx;
}

}  // namespace

void record_route(Context& ctx, const Gate& g, const Tensor& logits, const Routing& routing) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(
      routing.weights, [&ctx, tape, g, logits, experts = routing.experts](const Tensor& dweights) {
        const Tensor dlogits = ctx.tensor(logits.rows(), logits.cols());
        for (int64_t t = 0; t < logits.rows(); ++t) {
          gate_backward(g, logits.row(t).data(), &experts[static_cast<size_t>(t * g.n_used)],
                        dweights.row(t).data(), dlogits.row(t).data());
        }
        tape->add(logits, dlogits);
      });
}

void record_mix_experts(Context& ctx, const Tensor& x, const Routing& routing, Experts& experts,
                        const Expert& shared, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, routing, &experts, &shared](const Tensor& dy) {
    std::vector<Visit> visits(static_cast<size_t>(experts.count()));
    for (size_t i = 0; i < routing.experts.size(); ++i) {
      Visit& visit = visits[static_cast<size_t>(routing.experts[i])];
      visit.tokens.push_back(static_cast<int32_t>(static_cast<int64_t>(i) / routing.n_used));
      visit.places.push_back(static_cast<int64_t>(i));
    }
    const Tensor dx = ctx.tensor(x.rows(), x.cols());
    const Tensor dweights = ctx.tensor(routing.weights.rows(), routing.weights.cols());
    std::fill_n(dx.data(), dx.size(), 0.0f);
    for (int32_t id = 0; id < experts.count(); ++id) {
      const Visit& visit = visits[static_cast<size_t>(id)];
      if (visit.tokens.empty()) continue;
      const Expert expert = experts.acquire(ctx, {&id, 1}).front();
      const Tensor dy_e = rows(ctx, dy, visit.tokens);
      const auto gradient_of_output = [&](const Tensor& out) {
        std::vector<float> weights;
        for (int64_t i = 0; i < out.rows(); ++i) {
          const int64_t place = visit.places[static_cast<size_t>(i)];
          float sum = 0;
          for (int64_t j = 0; j < out.cols(); ++j)
            sum += out.data()[i * out.cols() + j] * dy_e.data()[i * out.cols() + j];
          dweights.data()[place] = sum;
          weights.push_back(routing.weights.data()[place]);
        }
        return scaled_rows(ctx, dy_e, weights);
      };
      const Tensor x_e = rows(ctx, x, visit.tokens);
      add_rows(ctx, expert_backward(ctx, *tape, expert, x_e, gradient_of_output), visit.tokens,
               dx.data(), dx.rows());
    }
    tape->add(x, dx);
    if (shared.gate)
      tape->add(x, expert_backward(ctx, *tape, shared, x, [&](const Tensor&) { return dy; }));
    tape->add(routing.weights, dweights);
  });
}

}  // namespace r1

#include "model/layers/moe.h"

#include "tensor/adapted_experts.h"
#include "tensor/moe.h"

namespace r1 {
namespace {

Gate gate_of(const MoeConfig& m) {
  Gate g;
  g.n_experts = static_cast<int>(m.n_routed_experts);
  g.n_used = static_cast<int>(m.n_activated_experts);
  g.n_groups = static_cast<int>(m.n_expert_groups);
  g.n_groups_used = static_cast<int>(m.n_limited_groups);
  g.sigmoid = m.score == GateScore::kSigmoid;
  g.top_two = m.group_score == GroupScore::kTopTwo;
  g.norm = m.norm_topk_prob;
  g.scale = static_cast<float>(m.route_scale);
  return g;
}

// The experts as stored: in GGUF stacks [n, rows, cols], else one by one.
struct Stored {
  StoredMatrix gate, up, down;
  std::vector<StoredExpert> experts;
  struct Linears {  // their numbers, as low-rank updates know them
    size_t gate, up, down;
  };
  std::vector<Linears> linears;  // of each expert, or of all

  // The product of a layer's experts is one op: they are of one type.
  Result<void> check() const {
    for (const StoredExpert& e : experts) {
      const StoredExpert& f = experts.front();
      if (e.gate.dtype == f.gate.dtype && e.up.dtype == f.up.dtype && e.down.dtype == f.down.dtype)
        continue;
      return error("the experts of a layer are of different types: {} and {}, {} and {}, {} and {}",
                   info(f.gate.dtype).name, info(e.gate.dtype).name, info(f.up.dtype).name,
                   info(e.up.dtype).name, info(f.down.dtype).name, info(e.down.dtype).name);
    }
    return {};
  }

  void unstack() {
    const auto n = std::ssize(experts);
    for (int64_t e = 0; e < n; ++e) {
      experts[static_cast<size_t>(e)] = {gate.slice(e * (gate.rows / n), gate.rows / n),
                                         up.slice(e * (up.rows / n), up.rows / n),
                                         down.slice(e * (down.rows / n), down.rows / n)};
    }
  }
};

std::unique_ptr<Experts> learning_experts(Context& ctx, Binder& b,
                                          std::span<const StoredExpert> stored) {
  std::vector<Expert> experts(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    b.learn(ctx, experts[i].gate, stored[i].gate);
    b.learn(ctx, experts[i].up, stored[i].up);
    b.learn(ctx, experts[i].down, stored[i].down);
  }
  return resident_experts(std::move(experts), 0);
}

std::unique_ptr<Experts> with_updates(Context& ctx, Binder& b, const Stored& stored,
                                      std::unique_ptr<Experts> experts) {
  std::vector<ExpertLora> updates;
  const bool stacked = stored.linears.size() == 1;
  for (size_t e = 0; e < stored.experts.size(); ++e) {
    const Stored::Linears& of = stored.linears[stacked ? 0 : e];
    const auto update = [&](size_t linear, const StoredMatrix& m) {
      return b.lora(ctx, linear, stacked ? static_cast<int64_t>(e) * m.rows : 0, m.rows);
    };
    const StoredExpert& s = stored.experts[e];
    updates.push_back({update(of.gate, s.gate), update(of.up, s.up), update(of.down, s.down)});
  }
  return adapted_experts(std::move(experts), stored.experts, std::move(updates));
}

}  // namespace

void bind(Binder& b, MoeWeights& l, const Config& c) {
  const MoeConfig& m = c.moe;
  const int64_t n = m.n_routed_experts, inter = m.moe_inter_dim;
  b.bind_exact(l.gate, "ffn_gate_inp.weight", "mlp.gate.weight", {n, c.dim});
  if (m.gate_bias)
    b.bind_fixed(l.gate_bias, "exp_probs_b.bias", "mlp.gate.e_score_correction_bias", {n});
  if (m.n_shared_experts > 0) {
    const int64_t width = m.n_shared_experts * inter;
    b.bind(l.shared.gate, "ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight",
           {width, c.dim});
    b.bind(l.shared.up, "ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight", {width, c.dim});
    b.bind(l.shared.down, "ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight",
           {c.dim, width});
  }
  const auto stored = std::make_shared<Stored>();
  stored->experts.resize(static_cast<size_t>(n));
  const auto bind_matrix = [&b](StoredMatrix& to, const char* gguf, const std::string& hf,
                                const std::vector<int64_t>& shape) {
    b.bind(to, gguf, hf, shape);
    return b.linear(gguf, hf, shape);
  };
  const auto bind_experts = [&](auto& to, const std::string& which, auto... stack) {
    const std::string name = fmt::format("mlp.experts.{}.", which);
    stored->linears.push_back({bind_matrix(to.gate, "ffn_gate_exps.weight",
                                           name + "gate_proj.weight", {stack..., inter, c.dim}),
                               bind_matrix(to.up, "ffn_up_exps.weight", name + "up_proj.weight",
                                           {stack..., inter, c.dim}),
                               bind_matrix(to.down, "ffn_down_exps.weight",
                                           name + "down_proj.weight", {stack..., c.dim, inter})});
  };
  if (b.gguf()) {
    bind_experts(*stored, "*", n);
  } else {
    for (int64_t e = 0; e < n; ++e)
      bind_experts(stored->experts[static_cast<size_t>(e)], std::to_string(e));
  }
  b.then([&l, &b, stored](Context& ctx) -> Result<uint64_t> {
    const LoadOptions& options = b.options();
    if (b.gguf()) stored->unstack();
    if (options.learn) {
      l.experts = learning_experts(ctx, b, stored->experts);
      return 0;
    }
    R1_DO(stored->check());
    const auto& cache = options.expert_cache;
    R1_TRY(l.experts, cache ? streamed_experts(ctx, options.compute, stored->experts, cache)
                            : resident_experts(ctx, options.compute, stored->experts));
    if (options.lora) l.experts = with_updates(ctx, b, *stored, std::move(l.experts));
    return l.experts->resident_bytes();
  });
}

Tensor moe(Context& ctx, const Config& c, const MoeWeights& l, const Tensor& u,
           const Trace& trace) {
  const Tensor affinity = linear(ctx, u, l.gate);                             // u^T e_i (15)
  const Routing routing = route(ctx, gate_of(c.moe), affinity, l.gate_bias);  // (13), (14), (16)
  if (trace.experts) trace.experts->push_back(routing.experts);
  return mix_experts(ctx, u, routing, *l.experts, l.shared);  // (12)
}

}  // namespace r1

// Tokens are sorted by expert; an expert and its tokens are one product. All gate and up products
// of a step are one parallel loop, all down products another.
#include "tensor/moe.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/elementwise/elementwise.h"
#include "kernels/swiglu/swiglu.h"
#include "tensor/ops.h"
#include "tensor/products.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;  // least elements of a range

int64_t grain(int64_t cols) { return std::max<int64_t>(1, kWork / std::max<int64_t>(1, cols)); }

using Bytes = std::shared_ptr<std::byte>;

// A slot is one expert's work for one token; slots are sorted by expert, then by token.
struct Sorted {
  std::vector<int32_t> experts;  // that have tokens, ascending
  std::vector<int64_t> starts;   // [experts + 1]: of each expert's slots
  std::vector<int64_t> tokens;   // of each slot
  std::vector<int64_t> slots;    // [T, n_used]: where each choice of the routing went
};

Sorted sort_by_expert(const Routing& r, int64_t n_experts) {
  std::vector<int64_t> next(static_cast<size_t>(n_experts) + 1);
  for (const int32_t e : r.experts) ++next[static_cast<size_t>(e) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  Sorted s;
  for (size_t e = 0; e < static_cast<size_t>(n_experts); ++e) {
    if (next[e] == next[e + 1]) continue;
    s.experts.push_back(static_cast<int32_t>(e));
    s.starts.push_back(next[e]);
  }
  s.starts.push_back(std::ssize(r.experts));
  s.tokens.resize(r.experts.size());
  for (size_t i = 0; i < r.experts.size(); ++i) {
    const int64_t slot = next[static_cast<size_t>(r.experts[i])]++;
    s.slots.push_back(slot);
    s.tokens[static_cast<size_t>(slot)] = static_cast<int64_t>(i) / r.n_used;
  }
  return s;
}

// The batch prepared for the kernels that meet it, each once.
class PreparedBatch {
 public:
  PreparedBatch(Context& ctx, const Tensor& x) : ctx_(ctx), x_(x) {}

  Bytes all(const MatmulKernel& kernel) {
    for (const auto& [of, rows] : prepared_) {
      if (of == &kernel) return rows;
    }
    prepared_.emplace_back(&kernel,
                           prepare(ctx_, kernel, x_.data(), x_.rows(), x_.cols(), x_.cols()));
    return prepared_.back().second;
  }

  // Of these tokens, side by side.
  Bytes gathered(const MatmulKernel& kernel, std::span<const int64_t> tokens) {
    const Bytes from = all(kernel);
    const size_t bytes = kernel.activation_bytes(x_.cols());
    Bytes to = ctx_.scratch(tokens.size() * bytes);
    ctx_.parallel(std::ssize(tokens), grain(x_.cols()), [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        std::memcpy(to.get() + i * bytes, from.get() + static_cast<size_t>(tokens[i]) * bytes,
                    bytes);
      }
    });
    return to;
  }

 private:
  Context& ctx_;
  const Tensor& x_;
  std::vector<std::pair<const MatmulKernel*, Bytes>> prepared_;
};

// Experts of one shape and their rows: expert i has rows [starts[i], starts[i + 1]).
struct Section {
  std::span<const Expert> experts;
  std::span<const int64_t> starts;
  Bytes x_gate, x_up;  // the rows, prepared
  Tensor gate, up;     // [rows, inter]
  Tensor h;            // silu(gate) * up: over gate, which only a tape asks for
  Bytes hidden;        // the same, prepared
  Tensor out;          // [rows, dim]

  Section(Context& ctx, std::span<const Expert> e, std::span<const int64_t> s)
      : experts(e), starts(s) {
    const int64_t n = starts.back() - starts.front(), inter = experts[0].gate.rows();
    const Weight& down = experts[0].down;
    gate = ctx.tensor(n, inter);
    up = ctx.tensor(n, inter);
    h = ctx.tape() ? ctx.tensor(n, inter) : gate;
    hidden = ctx.scratch(static_cast<size_t>(n) * down.kernel().activation_bytes(inter));
    out = ctx.tensor(n, down.rows());
  }

  // y = x w^T of every expert's own rows.
  void add(std::vector<Product>& to, Weight Expert::*weight, const Bytes& x,
           const Tensor& y) const {
    for (size_t i = 0; i < experts.size(); ++i) {
      const Weight& w = experts[i].*weight;
      const int64_t first = starts[i] - starts.front(), n = starts[i + 1] - starts[i];
      const size_t bytes = w.kernel().activation_bytes(w.cols());
      to.push_back({&w, x.get() + static_cast<size_t>(first) * bytes, n,
                    y.data() + first * y.cols(), y.cols()});
    }
  }
};

// Where each slot's output lies, in outputs that stand one below the other.
std::vector<const float*> rows_of(std::span<const Tensor> outputs) {
  std::vector<const float*> rows;
  for (const Tensor& of_expert : outputs) {
    for (int64_t i = 0; i < of_expert.rows(); ++i) rows.push_back(of_expert.row(i).data());
  }
  return rows;
}

// The same of experts with low-rank updates, or that gradients pass through: in the words of ops.h,
// one expert after another, `given` being the first of them.
Tensor mix_adapted(Context& ctx, const Tensor& x, const Routing& routing, const Sorted& sorted,
                   std::vector<Expert> given, Experts& experts, const Expert& shared) {
  const auto ffn = [&](const Tensor& in, const Expert& e) {
    return linear(ctx, swiglu(ctx, in, {e.gate, {}}, {e.up, {}}), e.down);
  };
  std::vector<Tensor> outputs;  // of each expert, for its tokens
  for (;;) {
    for (const Expert& expert : given) {
      const size_t i = outputs.size();
      const auto first = sorted.tokens.begin();
      const std::vector<int32_t> tokens(first + sorted.starts[i], first + sorted.starts[i + 1]);
      outputs.push_back(ffn(rows(ctx, x, tokens), expert));
    }
    if (outputs.size() == sorted.experts.size()) break;
    given = experts.acquire(ctx, std::span(sorted.experts).subspan(outputs.size()));
  }
  const std::vector<const float*> of_slot = rows_of(outputs);
  AddScaled* add_scaled = best(kAddScaled, ctx.isa());
  Tensor y = ctx.tensor(x.rows(), x.cols());
  ctx.parallel(x.rows(), grain(x.cols() * routing.n_used), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* to = y.row(t).data();
      std::fill_n(to, x.cols(), 0.0f);
      for (int64_t i = t * routing.n_used; i < (t + 1) * routing.n_used; ++i) {
        const auto slot = static_cast<size_t>(sorted.slots[static_cast<size_t>(i)]);
        add_scaled(routing.weights.data()[i], of_slot[slot], x.cols(), to);
      }
    }
  });
  record_weighted_sum(ctx, std::move(outputs), sorted.slots, routing.weights, y);
  return shared.gate ? add(ctx, y, ffn(x, shared)) : y;
}

void run(Context& ctx, std::span<Section> sections) {
  std::vector<Product> products;
  for (const Section& s : sections) {
    s.add(products, &Expert::gate, s.x_gate, s.gate);
    s.add(products, &Expert::up, s.x_up, s.up);
  }
  multiply(ctx, products);
  SwiGlu* swiglu = best(kSwiGlu, ctx.isa());
  for (const Section& s : sections) {
    const MatmulKernel& kernel = s.experts[0].down.kernel();
    const auto bytes = static_cast<int64_t>(kernel.activation_bytes(s.gate.cols()));
    ctx.parallel(s.gate.rows(), grain(s.gate.cols()), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* h = s.h.row(i).data();
        swiglu(s.gate.row(i).data(), s.up.row(i).data(), s.gate.cols(), h);
        kernel.prepare(h, s.gate.cols(), s.hidden.get() + i * bytes);
      }
    });
  }
  products.clear();
  for (const Section& s : sections) s.add(products, &Expert::down, s.hidden, s.out);
  multiply(ctx, products);
}

}  // namespace

Routing route(Context& ctx, const Gate& g, const Tensor& logits, const Tensor& bias) {
  R1_CHECK(logits.cols() == g.n_experts && (!bias || bias.cols() == g.n_experts));
  const auto n = static_cast<size_t>(logits.rows() * g.n_used);
  Routing r{g.n_used, std::vector<int32_t>(n), ctx.tensor(logits.rows(), g.n_used)};
  ctx.parallel(logits.rows(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      gate(g, logits.row(t).data(), bias.data(), &r.experts[static_cast<size_t>(t * g.n_used)],
           r.weights.row(t).data());
    }
  });
  record_route(ctx, g, logits, r);
  return r;
}

Tensor mix_experts(Context& ctx, const Tensor& x, const Routing& routing, Experts& experts,
                   const Expert& shared) {
  const int64_t n_tokens = x.rows(), dim = x.cols(), n_used = routing.n_used;
  R1_CHECK(std::ssize(routing.experts) == n_tokens * n_used);
  const Sorted sorted = sort_by_expert(routing, experts.count());
  const int64_t all_tokens[] = {0, n_tokens};
  PreparedBatch batch(ctx, x);
  AddScaled* add_scaled = best(kAddScaled, ctx.isa());
  Tensor y = ctx.tensor(n_tokens, dim);
  ExpertRows met, met_by_shared;
  for (size_t done = 0; done < sorted.experts.size();) {
    auto given = experts.acquire(ctx, std::span(sorted.experts).subspan(done));
    if (given.front().gate.stored())
      return mix_adapted(ctx, x, routing, sorted, std::move(given), experts, shared);
    const auto starts = std::span(sorted.starts).subspan(done, given.size() + 1);
    const bool first = done == 0;
    done += given.size();
    const bool with_shared = done == sorted.experts.size() && shared.gate;

    std::vector<Section> sections;
    sections.reserve(2);
    Section& routed = sections.emplace_back(ctx, given, starts);
    const auto tokens = std::span(sorted.tokens)
                            .subspan(static_cast<size_t>(starts.front()),
                                     static_cast<size_t>(starts.back() - starts.front()));
    const MatmulKernel &gate = given[0].gate.kernel(), &up = given[0].up.kernel();
    routed.x_gate = batch.gathered(gate, tokens);
    routed.x_up = &up == &gate ? routed.x_gate : batch.gathered(up, tokens);
    if (with_shared) {
      Section& s = sections.emplace_back(ctx, std::span(&shared, 1), all_tokens);
      s.x_gate = batch.all(shared.gate.kernel());
      s.x_up = batch.all(shared.up.kernel());
    }
    run(ctx, sections);

    // A token's choices stand in the order of ids, and so do the experts given one after another.
    ctx.parallel(n_tokens, grain(dim * (n_used + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        float* to = y.row(t).data();
        if (first) std::fill_n(to, dim, 0.0f);
        for (int64_t i = t * n_used; i < (t + 1) * n_used; ++i) {
          const int64_t slot = sorted.slots[static_cast<size_t>(i)];
          if (slot < starts.front() || slot >= starts.back()) continue;
          add_scaled(routing.weights.data()[i], sections[0].out.row(slot - starts.front()).data(),
                     dim, to);
        }
        if (with_shared) add_scaled(1, sections[1].out.row(t).data(), dim, to);
      }
    });
    if (ctx.tape()) {
      R1_CHECK(first && done == sorted.experts.size());  // what learns is in memory
      met = {given, sorted.starts, sorted.tokens, sections[0].gate, sections[0].up};
      if (with_shared)
        met_by_shared = {{shared}, {0, n_tokens}, {}, sections[1].gate, sections[1].up};
    }
  }
  record_mix_experts(ctx, x, routing, std::move(met), sorted.slots, std::move(met_by_shared), y);
  return y;
}

}  // namespace r1

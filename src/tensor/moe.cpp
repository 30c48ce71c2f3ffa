// Tokens are sorted by expert; an expert and its tokens are one product. All gate and up products
// of a step are one parallel loop, all down products another.
#include "tensor/moe.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/swiglu/swiglu.h"
#include "tensor/products.h"

namespace r1 {
namespace {

// A token's place among those sorted by expert.
struct Slot {
  int64_t token;
  float weight;
};

struct Sorted {
  std::vector<int32_t> experts;  // that have tokens, ascending
  std::vector<int64_t> starts;   // [experts + 1]: of each expert's slots
  std::vector<Slot> slots;       // ascending in token within an expert
};

Sorted sort_by_expert(const Routing& r, int64_t n_experts) {
  std::vector<int64_t> next(static_cast<size_t>(n_experts) + 1);
  for (const int32_t e : r.experts) ++next[static_cast<size_t>(e) + 1];
  Sorted s;
  for (int64_t e = 0; e < n_experts; ++e) {
    if (next[static_cast<size_t>(e) + 1] == 0) continue;
    s.experts.push_back(static_cast<int32_t>(e));
  }
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (const int32_t e : s.experts) s.starts.push_back(next[static_cast<size_t>(e)]);
  s.starts.push_back(std::ssize(r.experts));
  s.slots.resize(r.experts.size());
  for (size_t i = 0; i < r.experts.size(); ++i) {
    const auto slot = next[static_cast<size_t>(r.experts[i])]++;
    s.slots[static_cast<size_t>(slot)] = {static_cast<int64_t>(i) / r.n_used, r.weights[i]};
  }
  return s;
}

// An expert with its tokens.
struct Job {
  Expert expert;
  std::span<const Slot> slots;  // empty: all tokens, in order, with weight 1 (the shared expert)
  int64_t n_tokens;
};

// The batch prepared for the kernels that meet it, each once.
class PreparedBatch {
 public:
  PreparedBatch(Context& ctx, const Tensor& x) : ctx_(ctx), x_(x) {}

  // The tokens of `slots` side by side; of all tokens where there are none.
  std::shared_ptr<std::byte> tokens(const MatmulKernel& kernel, std::span<const Slot> slots) {
    const auto all = whole(kernel);
    if (slots.empty() || x_.rows() == 1) return all;
    const size_t bytes = kernel.activation_bytes(x_.cols());
    const auto chosen = ctx_.scratch(slots.size() * bytes);
    for (size_t i = 0; i < slots.size(); ++i) {
      std::memcpy(chosen.get() + i * bytes, all.get() + static_cast<size_t>(slots[i].token) * bytes,
                  bytes);
    }
    return chosen;
  }

 private:
  std::shared_ptr<std::byte> whole(const MatmulKernel& kernel) {
    for (const auto& [of, rows] : whole_) {
      if (of == &kernel) return rows;
    }
    whole_.emplace_back(&kernel, prepare(ctx_, kernel, x_.data(), x_.rows(), x_.cols(), x_.cols()));
    return whole_.back().second;
  }

  Context& ctx_;
  const Tensor& x_;
  std::vector<std::pair<const MatmulKernel*, std::shared_ptr<std::byte>>> whole_;
};

// silu(gate x) * up x of every job's tokens, prepared for its down product.
std::vector<std::shared_ptr<std::byte>> hidden(Context& ctx, PreparedBatch& batch,
                                               std::span<const Job> jobs) {
  struct Row {
    float *gate, *up;
    const MatmulKernel* kernel;
    int64_t cols;
    std::byte* to;
  };
  std::vector<Tensor> outputs;
  std::vector<std::shared_ptr<std::byte>> inputs, prepared;
  std::vector<Product> products;
  std::vector<Row> rows;
  for (const Job& job : jobs) {
    const auto& [gate, up, down] = job.expert;
    const int64_t inter = gate.rows();
    const MatmulKernel& next = down.kernel();
    const auto x = batch.tokens(gate.kernel(), job.slots);
    const auto x_up = &up.kernel() == &gate.kernel() ? x : batch.tokens(up.kernel(), job.slots);
    const Tensor g = ctx.tensor(job.n_tokens, inter), u = ctx.tensor(job.n_tokens, inter);
    products.push_back({&gate, x.get(), job.n_tokens, g.data(), inter});
    products.push_back({&up, x_up.get(), job.n_tokens, u.data(), inter});
    const size_t bytes = next.activation_bytes(inter);
    prepared.push_back(ctx.scratch(static_cast<size_t>(job.n_tokens) * bytes));
    for (int64_t t = 0; t < job.n_tokens; ++t) {
      rows.push_back({g.row(t).data(), u.row(t).data(), &next, inter,
                      prepared.back().get() + static_cast<size_t>(t) * bytes});
    }
    outputs.insert(outputs.end(), {g, u});
    inputs.insert(inputs.end(), {x, x_up});
  }
  multiply(ctx, products);
  SwiGlu* swiglu = best(kSwiGlu, ctx.isa());
  ctx.parallel(std::ssize(rows), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Row& row = rows[static_cast<size_t>(i)];
      swiglu(row.gate, row.up, row.cols, row.gate);
      row.kernel->prepare(row.gate, row.cols, row.to);
    }
  });
  return prepared;
}

}  // namespace

Routing route(Context& ctx, const Gate& g, const Tensor& logits, const Tensor& bias) {
  R1_CHECK(logits.cols() == g.n_experts && (!bias || bias.cols() == g.n_experts));
  const auto n = static_cast<size_t>(logits.rows() * g.n_used);
  Routing r{g.n_used, std::vector<int32_t>(n), std::vector<float>(n)};
  ctx.parallel(logits.rows(), 8, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      gate(g, logits.row(t).data(), bias.data(), &r.experts[static_cast<size_t>(t * g.n_used)],
           &r.weights[static_cast<size_t>(t * g.n_used)]);
    }
  });
  return r;
}

Tensor mix_experts(Context& ctx, const Tensor& x, const Routing& routing, Experts& experts,
                   const Expert& shared) {
  const int64_t n_tokens = x.rows(), dim = x.cols();
  R1_CHECK(std::ssize(routing.experts) == n_tokens * routing.n_used);
  const Sorted sorted = sort_by_expert(routing, experts.count());
  PreparedBatch batch(ctx, x);
  Tensor y = ctx.tensor(n_tokens, dim);
  std::fill_n(y.data(), y.size(), 0.0f);
  std::span<const int32_t> wanted = sorted.experts;
  while (!wanted.empty()) {
    const auto given = experts.acquire(ctx, wanted);
    const auto first = sorted.experts.size() - wanted.size();
    wanted = wanted.subspan(given.size());
    std::vector<Job> jobs;
    for (size_t i = 0; i < given.size(); ++i) {
      const int64_t begin = sorted.starts[first + i], end = sorted.starts[first + i + 1];
      jobs.push_back({given[i],
                      std::span(sorted.slots)
                          .subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                      end - begin});
    }
    if (wanted.empty() && shared.gate) jobs.push_back({shared, {}, n_tokens});

    const auto h = hidden(ctx, batch, jobs);
    std::vector<Tensor> outputs;
    std::vector<Product> products;
    for (size_t i = 0; i < jobs.size(); ++i) {
      outputs.push_back(ctx.tensor(jobs[i].n_tokens, dim));
      products.push_back(
          {&jobs[i].expert.down, h[i].get(), jobs[i].n_tokens, outputs[i].data(), dim});
    }
    multiply(ctx, products);
    // Columns over the threads; each element takes its terms in the order of the jobs.
    ctx.parallel(
        dim, std::max<int64_t>(16, 32768 / std::max<int64_t>(1, n_tokens * 8)),
        [&](int64_t begin, int64_t end) {
          for (size_t j = 0; j < jobs.size(); ++j) {
            for (int64_t i = 0; i < jobs[j].n_tokens; ++i) {
              const bool all = jobs[j].slots.empty();
              const Slot slot = all ? Slot{i, 1.0f} : jobs[j].slots[static_cast<size_t>(i)];
              const float* from = outputs[j].row(i).data();
              float* to = y.row(slot.token).data();
              for (int64_t d = begin; d < end; ++d) to[d] += slot.weight * from[d];
            }
          }
        });
  }
  return y;
}

}  // namespace r1

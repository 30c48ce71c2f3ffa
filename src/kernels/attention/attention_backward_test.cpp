#include "kernels/attention/attention_backward.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

// sum of dy y for two query heads on one key/value head, as the formula is written.
double attended(const AttentionGradient<double>& a) {
  double sum = 0;
  for (int64_t head = 0; head < a.n_heads; ++head) {
    for (int64_t t = 0; t < a.n; ++t) {
      std::vector<double> p(static_cast<size_t>(t + 1));
      double z = 0;
      for (int64_t j = 0; j <= t; ++j) {
        double s = 0;
        for (int64_t d = 0; d < a.k_dim; ++d)
          s += a.q[t * a.q_stride + head * a.k_dim + d] * a.k[j * a.k_stride + d];
        z += p[static_cast<size_t>(j)] = std::exp(a.scale * s);
      }
      for (int64_t j = 0; j <= t; ++j) {
        for (int64_t d = 0; d < a.v_dim; ++d)
          sum += a.dy[t * a.y_stride + head * a.v_dim + d] * p[static_cast<size_t>(j)] / z *
                 a.v[j * a.v_stride + d];
      }
    }
  }
  return sum;
}

TEST(AttentionBackward, IsTheDerivativeOfTheFormula) {
  constexpr size_t kN = 5, kHeads = 2, kKDim = 3, kVDim = 4;
  auto q = normal_values(kN * kHeads * kKDim, 1), k = normal_values(kN * kKDim, 2),
       v = normal_values(kN * kVDim, 3);
  const auto dy = normal_values(kN * kHeads * kVDim, 4);
  std::vector<double> dq(q.size()), dk(k.size()), dv(v.size()), scratch(2 * kN);
  const AttentionGradient<double> a{.n = kN,
                                    .n_heads = kHeads,
                                    .k_dim = kKDim,
                                    .v_dim = kVDim,
                                    .scale = 0.6,
                                    .q = q.data(),
                                    .k = k.data(),
                                    .v = v.data(),
                                    .dy = dy.data(),
                                    .dq = dq.data(),
                                    .dk = dk.data(),
                                    .dv = dv.data(),
                                    .q_stride = kHeads * kKDim,
                                    .k_stride = kKDim,
                                    .v_stride = kVDim,
                                    .y_stride = kHeads * kVDim};
  attention_backward(a, scratch.data());
  const auto f = [&] { return attended(a); };
  expect_gradient(q, dq, f);
  expect_gradient(k, dk, f);
  expect_gradient(v, dv, f);
}

// Latent values: the beginnings of the keys, whose gradient takes both parts.
TEST(AttentionBackward, ValuesMayBeTheBeginningsOfTheKeys) {
  constexpr size_t kN = 4, kKDim = 5, kVDim = 3;
  auto q = normal_values(kN * kKDim, 1), k = normal_values(kN * kKDim, 2);
  const auto dy = normal_values(kN * kVDim, 4);
  std::vector<double> dq(q.size()), dk(k.size()), scratch(2 * kN);
  const AttentionGradient<double> a{.n = kN,
                                    .n_heads = 1,
                                    .k_dim = kKDim,
                                    .v_dim = kVDim,
                                    .scale = 0.6,
                                    .q = q.data(),
                                    .k = k.data(),
                                    .v = k.data(),
                                    .dy = dy.data(),
                                    .dq = dq.data(),
                                    .dk = dk.data(),
                                    .dv = dk.data(),
                                    .q_stride = kKDim,
                                    .k_stride = kKDim,
                                    .v_stride = kKDim,
                                    .y_stride = kVDim};
  attention_backward(a, scratch.data());
  const auto f = [&] { return attended(a); };
  expect_gradient(q, dq, f);
  expect_gradient(k, dk, f);
}

// Gradients of two heads on one key/value head, wider than a tile, added to what dk and dv hold.
struct Gradients {
  std::vector<float> dq, dk, dv;
};

Gradients gradients(AttentionBackward* run, int64_t n, int64_t k_dim, int64_t v_dim, bool latent) {
  constexpr int64_t kHeads = 2;
  const auto values = [&](int64_t dim, uint64_t stream) {
    return normal_floats(static_cast<size_t>(n * dim), stream);
  };
  const auto q = values(kHeads * k_dim, 1), k = values(k_dim, 2), v = values(v_dim, 3),
             dy = values(kHeads * v_dim, 4);
  Gradients g{values(kHeads * k_dim, 5), values(k_dim, 6), values(v_dim, 7)};
  std::vector<float> scratch(
      static_cast<size_t>(std::max(attention_backward_scratch(n, k_dim, v_dim), 2 * n)));
  run({.n = n,
       .n_heads = kHeads,
       .k_dim = k_dim,
       .v_dim = v_dim,
       .scale = 0.3f,
       .q = q.data(),
       .k = k.data(),
       .v = latent ? k.data() : v.data(),
       .dy = dy.data(),
       .dq = g.dq.data(),
       .dk = g.dk.data(),
       .dv = latent ? g.dk.data() : g.dv.data(),
       .q_stride = kHeads * k_dim,
       .k_stride = k_dim,
       .v_stride = latent ? k_dim : v_dim,
       .y_stride = kHeads * v_dim},
      scratch.data());
  return g;
}

TEST(AttentionBackward, EveryVariantAgreesWithTheReference) {
  for (const auto& variant : kAttentionBackward) {
    if (!supported(variant.isa)) continue;
    for (const auto& [n, k_dim, v_dim, latent] : {std::tuple{1, 4, 3, false},
                                                  {33, 24, 16, false},
                                                  {70, 80, 64, true},
                                                  {300, 17, 5, true}}) {
      SCOPED_TRACE(testing::Message() << name(variant.isa) << ' ' << n << ' ' << k_dim);
      const auto got = gradients(variant.run, n, k_dim, v_dim, latent),
                 want = gradients(attention_backward<float>, n, k_dim, v_dim, latent);
      expect_near(got.dq, want.dq, 1e-5f);
      expect_near(got.dk, want.dk, 1e-5f);
      expect_near(got.dv, want.dv, 1e-5f);
    }
  }
}

}  // namespace
}  // namespace r1

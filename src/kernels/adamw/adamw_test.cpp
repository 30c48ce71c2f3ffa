#include "kernels/adamw/adamw.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

struct Moments {
  std::vector<float> w, m, v;
};

Moments after(AdamWUpdate* run, size_t n) {
  Moments x{normal_floats(n, 1), normal_floats(n, 2), normal_floats(n, 3)};
  for (float& v : x.v) v = v * v;
  const auto gradient = normal_floats(n, 4);
  const AdamWStep s{0.5f, 0.9f, 0.1f, 0.95f, 0.05f, 0.99f, 0.02f, 1.5f, 1e-8f};
  run(s, static_cast<int64_t>(n), gradient.data(), x.w.data(), x.m.data(), x.v.data());
  return x;
}

TEST(AdamWUpdate, IsTheFormula) {
  float w = 2, m = 0.5, v = 4;
  const float gradient = 3;
  adamw_ref({2, 0.5f, 0.5f, 0.75f, 0.25f, 0.5f, 0.125f, 2, 1}, 1, &gradient, &w, &m, &v);
  EXPECT_EQ(m, 0.25f + 3);
  EXPECT_EQ(v, 3 + 9);
  EXPECT_FLOAT_EQ(w, 1 - 0.125f * 3.25f / (std::sqrt(12.0f) * 2 + 1));
}

TEST(AdamWUpdate, EveryVariantAgreesWithTheReference) {
  for (const auto& variant : kAdamW) {
    if (!supported(variant.isa)) continue;
    SCOPED_TRACE(name(variant.isa));
    for (const size_t n : {1u, 16u, 77u}) {
      const Moments got = after(variant.run, n), want = after(adamw_ref, n);
      expect_near(got.w, want.w, 1e-6f);
      expect_near(got.m, want.m, 1e-6f);
      expect_near(got.v, want.v, 1e-6f);
    }
  }
}

}  // namespace
}  // namespace r1

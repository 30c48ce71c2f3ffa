#include "train/adamw.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "kernels/adamw/adamw.h"

namespace r1 {

void adamw_step(const AdamW& s, int64_t step, float gradient_scale, std::span<float> w,
                std::span<const float> gradient, std::span<float> m, std::span<float> v, Isa isa) {
  R1_CHECK(step >= 1 && gradient.size() == w.size() && m.size() == w.size() &&
           v.size() == w.size());
  const auto n = static_cast<double>(step);
  const auto b1 = static_cast<float>(s.beta1), b2 = static_cast<float>(s.beta2);
  const auto new1 = static_cast<float>(1 - s.beta1), new2 = static_cast<float>(1 - s.beta2);
  const auto keep = static_cast<float>(1 - s.lr * s.weight_decay);
  const auto rate = static_cast<float>(s.lr / (1 - std::pow(s.beta1, n)));
  const auto unbias = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, n)));
  const auto eps = static_cast<float>(s.eps);
  best(kAdamW, isa)({gradient_scale, b1, new1, b2, new2, keep, rate, unbias, eps}, std::ssize(w),
                    gradient.data(), w.data(), m.data(), v.data());
}

double squared_norm(std::span<const float> x) {
  double sum[4] = {};
  for (size_t i = 0; i < x.size(); ++i) sum[i % 4] += double{x[i]} * double{x[i]};
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

double clip_scale(double norm, double max_norm) {
  return norm > max_norm ? max_norm / (norm + 1e-6) : 1;
}

double Schedule::factor(int64_t step) const {
  if (step <= warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  if (decay == Decay::kConstant) return 1;
  if (step >= total) return floor;
  const double way = static_cast<double>(step - warmup) /
                     static_cast<double>(std::max<int64_t>(1, total - warmup));
  const double fall =
      decay == Decay::kLinear ? 1 - way : (1 + std::cos(std::numbers::pi * way)) / 2;
  return floor + (1 - floor) * fall;
}

}  // namespace r1

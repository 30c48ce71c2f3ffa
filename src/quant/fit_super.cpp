#include "quant/fit_super.h"

#include <algorithm>
#include <cmath>

#include "quant/fit.h"

namespace r1 {
namespace {

constexpr int kRounds = 3;
constexpr int kMaxScale = 63;  // six bits
constexpr Levels kQ6 = {-32, 31};

int nearest_integer(float value, float unit, int lo, int hi) {
  const float ratio = value / unit;
  return std::isfinite(ratio) ? static_cast<int>(std::lround(std::clamp(
                                    ratio, static_cast<float>(lo), static_cast<float>(hi))))
                              : 0;
}

// One group's integers and what they cost.
struct Choice {
  int scale = 0, min = 0;
  Moments moments{};
};

void try_affine(const Group& group, int hi, float d, float dmin, int scale, int min, Choice& best) {
  if (scale < 0 || scale > kMaxScale || min < 0 || min > kMaxScale) return;
  const Grid grid{d * static_cast<float>(scale), -(dmin * static_cast<float>(min))};
  const Moments moments = measure(group, grid, {0, hi});
  if (moments.error < best.moments.error) best = {scale, min, moments};
}

Choice choose_affine(const Group& group, int hi, float d, float dmin, Grid ideal) {
  Choice best;
  const int scale = nearest_integer(ideal.step, d, 0, kMaxScale);
  const int min = nearest_integer(-ideal.offset, dmin, 0, kMaxScale);
  for (int s = scale - 1; s <= scale + 1; ++s) {
    for (int m = min - 1; m <= min + 1; ++m) try_affine(group, hi, d, dmin, s, m, best);
  }
  return best;
}

}  // namespace

AffineSuper fit_affine_super(const float* x, const float* w, int hi) {
  Group groups[8];
  Grid ideal[8];
  double d = 0, dmin = 0;
  for (int g = 0; g < 8; ++g) {
    groups[g] = {x + 32 * g, w + 32 * g, 32};
    ideal[g] = fit_affine(groups[g], hi, 0, as_is).grid;
    d = std::max<double>(d, ideal[g].step / kMaxScale);
    dmin = std::max<double>(dmin, -ideal[g].offset / kMaxScale);
  }
  AffineSuper best;
  double best_error = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const float stored_d = as_f16(static_cast<float>(d)),
                stored_dmin = as_f16(static_cast<float>(dmin));
    Choice choices[8];
    double error = 0;
    double qq = 0, qm = 0, mm = 0, qx = 0, mx = 0;  // of the regressors scale q and -min
    for (int g = 0; g < 8; ++g) {
      choices[g] = choose_affine(groups[g], hi, stored_d, stored_dmin, ideal[g]);
      const Moments& m = choices[g].moments;
      const double scale = choices[g].scale, min = choices[g].min;
      error += m.error;
      qq += scale * scale * m.wqq;
      qm -= scale * min * m.wq;
      mm += min * min * m.w;
      qx += scale * m.wqx;
      mx -= min * m.wx;
    }
    if (!(error < best_error)) break;
    best_error = error;
    best.d = stored_d;
    best.dmin = stored_dmin;
    for (int g = 0; g < 8; ++g) {
      best.scales[g] = static_cast<uint8_t>(choices[g].scale);
      best.mins[g] = static_cast<uint8_t>(choices[g].min);
    }
    const double det = qq * mm - qm * qm;
    if (det > 0) {
      d = (mm * qx - qm * mx) / det;
      dmin = (qq * mx - qm * qx) / det;
    } else if (qq > 0) {
      d = qx / qq;
    }
  }
  for (int g = 0; g < 8; ++g) {
    const Grid grid{best.d * static_cast<float>(best.scales[g]),
                    -(best.dmin * static_cast<float>(best.mins[g]))};
    nearest(groups[g], grid, {0, hi}, best.q + 32 * g);
  }
  return best;
}

ScaledSuper fit_scaled_super(const float* x, const float* w) {
  Group groups[16];
  float ideal[16];
  float largest = 0;
  for (int g = 0; g < 16; ++g) {
    groups[g] = {x + 16 * g, w + 16 * g, 16};
    ideal[g] = fit_scaled(groups[g], kQ6, as_is).grid.step;
    if (std::fabs(ideal[g]) > std::fabs(largest)) largest = ideal[g];
  }
  ScaledSuper best;
  double best_error = std::numeric_limits<double>::infinity();
  double d = largest / -128;
  for (int round = 0; round < kRounds; ++round) {
    const float stored_d = as_f16(static_cast<float>(d));
    int scales[16] = {};
    double error = 0, qq = 0, qx = 0;
    for (int g = 0; g < 16; ++g) {
      const int near = nearest_integer(ideal[g], stored_d, -128, 127);
      Moments least;
      for (int s = std::max(near - 1, -128); s <= std::min(near + 1, 127); ++s) {
        const Moments m = measure(groups[g], {stored_d * static_cast<float>(s), 0}, kQ6);
        if (!(m.error < least.error)) continue;
        least = m;
        scales[g] = s;
      }
      error += least.error;
      qq += static_cast<double>(scales[g]) * scales[g] * least.wqq;
      qx += static_cast<double>(scales[g]) * least.wqx;
    }
    if (!(error < best_error)) break;
    best_error = error;
    best.d = stored_d;
    for (int g = 0; g < 16; ++g) best.scales[g] = static_cast<int8_t>(scales[g]);
    if (qq > 0) d = qx / qq;
  }
  for (int g = 0; g < 16; ++g) {
    nearest(groups[g], {best.d * static_cast<float>(best.scales[g]), 0}, kQ6, best.q + 16 * g);
  }
  return best;
}

}  // namespace r1

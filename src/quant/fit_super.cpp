#include "quant/fit_super.h"

#include <algorithm>
#include <cmath>

#include "quant/fit.h"

namespace r1 {
namespace {

constexpr int kRounds = 3;
constexpr int kMostGroups = 16;

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

void try_affine(const Group& group, const AffineFormat& format, float d, float dmin, int scale,
                int min, Choice& best) {
  if (scale < 0 || scale > format.most || min < 0 || min > format.most) return;
  const Grid grid{d * static_cast<float>(scale), -(dmin * static_cast<float>(min))};
  const Moments moments = measure(group, grid, {0, format.hi});
  if (moments.error < best.moments.error) best = {scale, min, moments};
}

Choice choose_affine(const Group& group, const AffineFormat& format, float d, float dmin,
                     Grid ideal) {
  Choice best;
  const int scale = nearest_integer(ideal.step, d, 0, format.most);
  const int min = nearest_integer(-ideal.offset, dmin, 0, format.most);
  for (int s = scale - 1; s <= scale + 1; ++s) {
    for (int m = min - 1; m <= min + 1; ++m) try_affine(group, format, d, dmin, s, m, best);
  }
  return best;
}

}  // namespace

AffineSuper fit_affine_super(const float* x, const float* w, const AffineFormat& format) {
  const int size = format.group, n = kSuperBlock / size;
  Group groups[kMostGroups];
  Grid ideal[kMostGroups];
  double d = 0, dmin = 0;
  for (int g = 0; g < n; ++g) {
    groups[g] = {x + size * g, w + size * g, size};
    ideal[g] = fit_affine(groups[g], format.hi, 0, as_is).grid;
    d = std::max(d, ideal[g].step / static_cast<double>(format.most));
    dmin = std::max(dmin, -ideal[g].offset / static_cast<double>(format.most));
  }
  AffineSuper best;
  double best_error = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const float stored_d = as_f16(static_cast<float>(d)),
                stored_dmin = as_f16(static_cast<float>(dmin));
    Choice choices[kMostGroups];
    double error = 0;
    double qq = 0, qm = 0, mm = 0, qx = 0, mx = 0;  // of the regressors scale q and -min
    for (int g = 0; g < n; ++g) {
      choices[g] = choose_affine(groups[g], format, stored_d, stored_dmin, ideal[g]);
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
    for (int g = 0; g < n; ++g) {
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
  for (int g = 0; g < n; ++g) {
    const Grid grid{best.d * static_cast<float>(best.scales[g]),
                    -(best.dmin * static_cast<float>(best.mins[g]))};
    nearest(groups[g], grid, {0, format.hi}, best.q + size * g);
  }
  return best;
}

ScaledSuper fit_scaled_super(const float* x, const float* w, const ScaledFormat& format) {
  const auto [lo, hi] = format.scale;
  Group groups[16];
  float ideal[16];
  float largest = 0;
  for (int g = 0; g < 16; ++g) {
    groups[g] = {x + 16 * g, w + 16 * g, 16};
    ideal[g] = fit_scaled(groups[g], format.q, as_is).grid.step;
    if (std::fabs(ideal[g]) > std::fabs(largest)) largest = ideal[g];
  }
  ScaledSuper best;
  double best_error = std::numeric_limits<double>::infinity();
  double d = largest / static_cast<float>(lo);
  for (int round = 0; round < kRounds; ++round) {
    const float stored_d = as_f16(static_cast<float>(d));
    int scales[16] = {};
    double error = 0, qq = 0, qx = 0;
    for (int g = 0; g < 16; ++g) {
      const int near = nearest_integer(ideal[g], stored_d, lo, hi);
      Moments least;
      for (int s = std::max(near - 1, lo); s <= std::min(near + 1, hi); ++s) {
        const Moments m = measure(groups[g], {stored_d * static_cast<float>(s), 0}, format.q);
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
    nearest(groups[g], {best.d * static_cast<float>(best.scales[g]), 0}, format.q, best.q + 16 * g);
  }
  return best;
}

}  // namespace r1

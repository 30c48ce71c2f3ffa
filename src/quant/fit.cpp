#include "quant/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "quant/half.h"

namespace r1 {
namespace {

constexpr int kMaxRounds = 6;      // of least squares; most groups settle in two
constexpr float kHopeless = 1.5f;  // a start this much worse than the best is not improved
// Adding and subtracting it rounds to the nearest integer, ties to even.
constexpr float kRounder = 0x1.8p23f;

using F32x4 = float __attribute__((vector_size(16)));

F32x4 load(const float* p) {
  F32x4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

F32x4 splat(float v) { return F32x4{v, v, v, v}; }

float total(F32x4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

// Clamped first: the rounding is right only for small numbers.
F32x4 round_to_level(F32x4 x, F32x4 inverse, F32x4 offset, F32x4 lo, F32x4 hi) {
  F32x4 q = (x - offset) * inverse;
  q = q < lo ? lo : q;
  q = q > hi ? hi : q;
  return (q + kRounder) - kRounder;
}

// 1 / step, or 0 where that is no number: then every q is the level nearest 0.
float inverse(float step) {
  const float inverse = 1 / step;
  return std::isfinite(inverse) ? inverse : 0;
}

constexpr auto kAllOnes = [] {
  std::array<float, 256> ones{};
  for (float& one : ones) one = 1;
  return ones;
}();

Grid best_grid(const Moments& m, bool scaled, float offset_limit) {
  if (scaled) return {m.wqq > 0 ? m.wqx / m.wqq : 0, 0};
  const float det = m.w * m.wqq - m.wq * m.wq;
  Grid grid;
  if (det > 0) {
    grid.step = (m.w * m.wqx - m.wq * m.wx) / det;
    grid.offset = (m.wqq * m.wx - m.wq * m.wqx) / det;
  } else if (m.w > 0) {
    grid.offset = m.wx / m.w;
  }
  if (grid.offset > offset_limit) grid = {m.wqq > 0 ? m.wqx / m.wqq : 0, offset_limit};
  return grid;
}

// Keeps the best of its starts, each improved until least squares no longer helps.
struct Search {
  const Group& group;
  Levels levels;
  bool scaled;
  float offset_limit;
  float (*stored)(float);
  Fit best{};

  void start(Grid grid) {
    for (int round = 0; round < kMaxRounds; ++round) {
      grid = {stored(grid.step), stored(grid.offset)};
      const Moments moments = measure(group, grid, levels);
      const bool better = moments.error < best.moments.error;
      if (better) best = {grid, moments};
      if (!better && (round > 0 || moments.error > kHopeless * best.moments.error)) return;
      if (best.moments.error == 0) return;
      grid = best_grid(moments, scaled, offset_limit);
    }
  }
};

}  // namespace

const float* const kOnes = kAllOnes.data();

Moments measure(const Group& group, Grid grid, Levels levels) {
  const F32x4 inv = splat(inverse(grid.step)), step = splat(grid.step), offset = splat(grid.offset);
  const F32x4 lo = splat(static_cast<float>(levels.lo)), hi = splat(static_cast<float>(levels.hi));
  F32x4 error{}, sw{}, swq{}, swqq{}, swx{}, swqx{};
  for (int i = 0; i < group.n; i += 4) {
    const F32x4 x = load(group.x + i), w = load(group.w + i);
    const F32x4 q = round_to_level(x, inv, offset, lo, hi);
    const F32x4 miss = x - (step * q + offset);
    const F32x4 wq = w * q;
    error += w * miss * miss;
    sw += w;
    swq += wq;
    swqq += wq * q;
    swx += w * x;
    swqx += wq * x;
  }
  return {total(error), total(sw), total(swq), total(swqq), total(swx), total(swqx)};
}

void nearest(const Group& group, Grid grid, Levels levels, int8_t* q) {
  const F32x4 inv = splat(inverse(grid.step)), offset = splat(grid.offset);
  const F32x4 lo = splat(static_cast<float>(levels.lo)), hi = splat(static_cast<float>(levels.hi));
  for (int i = 0; i < group.n; i += 4) {
    const F32x4 level = round_to_level(load(group.x + i), inv, offset, lo, hi);
    for (int l = 0; l < 4; ++l) q[i + l] = static_cast<int8_t>(level[l]);
  }
}

float as_f16(float value) { return f16_to_f32(f32_to_f16(std::clamp(value, -65504.0f, 65504.0f))); }

Fit fit_scaled(const Group& group, Levels levels, float (*stored)(float)) {
  Search search{group, levels, true, 0, stored};
  const auto less = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
  const float extreme = *std::max_element(group.x, group.x + group.n, less);
  // The extreme lands on the last level, a little inside it, or is clipped a little; on either
  // side.
  for (int i = -2; i <= 8; ++i) {
    const float inside = static_cast<float>(i) / 2;
    search.start({extreme / (static_cast<float>(levels.lo) + inside), 0});
    search.start({extreme / (static_cast<float>(levels.hi) - inside), 0});
  }
  return search.best;
}

Fit fit_affine(const Group& group, int hi, float offset_limit, float (*stored)(float)) {
  Search search{group, {0, hi}, false, offset_limit, stored};
  const auto [low, high] = std::minmax_element(group.x, group.x + group.n);
  const float min = std::min(*low, offset_limit);
  const float span = *high - min;
  // The extremes lie 0.5 inside the ends, up to half the levels apart; clipped at both ends where
  // above hi.
  for (int i = -2; i <= hi + 1; ++i) {
    const float intervals = static_cast<float>(hi) - static_cast<float>(i) / 2;
    const float step = span / intervals;
    search.start({step, min + std::max(0.0f, (span - step * static_cast<float>(hi)) / 2)});
  }
  return search.best;
}

}  // namespace r1

// Finding the grid a group of weights rounds to with the least error  sum_i w_i (x_i - (step q_i +
// offset))^2. Rounding and least squares in turn (Lloyd's iteration: q nearest for a grid, the grid
// best for those q) from several starting grids; the starts include every grid whose ends are the
// group's extremes, so weights that already lie on a grid of the format find it again.
// Deterministic: fixed order of every sum.
#pragma once

#include <cstdint>
#include <limits>

namespace r1 {

struct Grid {
  float step = 0;
  float offset = 0;
};

// The levels q may take.
struct Levels {
  int lo, hi;
};

// What rounding a group to a grid costs, and the sums that least squares needs.
struct Moments {
  float error = std::numeric_limits<float>::infinity();
  float w = 0, wq = 0, wqq = 0, wx = 0, wqx = 0;
};

struct Fit {
  Grid grid;
  Moments moments;
};

// A group of weights x and what the error of each counts; n % 4 == 0.
struct Group {
  const float* x;
  const float* w;
  int n;
};

Moments measure(const Group& group, Grid grid, Levels levels);

// The levels that `measure` rounded to.
void nearest(const Group& group, Grid grid, Levels levels, int8_t* q);

// How a step or offset will be stored: F16 (kept finite), or exactly for now.
float as_f16(float value);
inline float as_is(float value) { return value; }

// offset = 0, any sign of step.
Fit fit_scaled(const Group& group, Levels levels, float (*stored)(float));

// Levels 0..hi; the offset is at most offset_limit: kFree, or 0 for the mins of the K-quants.
constexpr float kFree = std::numeric_limits<float>::infinity();
Fit fit_affine(const Group& group, int hi, float offset_limit, float (*stored)(float));

// Counts every element alike; 256 of them.
extern const float* const kOnes;

}  // namespace r1

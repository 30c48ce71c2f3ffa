// AdamW (Loshchilov and Hutter 2019, algorithm 2) and what surrounds a step: clipping by the global
// norm and the schedule of the learning rate.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/cpu.h"

namespace r1 {

struct AdamW {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
};

// One step of the weights w and their moments m, v (first step: 1), all of one length:
//   w -= lr wd w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
//   w -= lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)
// g is gradient * gradient_scale. Each element by itself: any split gives the same bits.
void adamw_step(const AdamW& settings, int64_t step, float gradient_scale, std::span<float> w,
                std::span<const float> gradient, std::span<float> m, std::span<float> v,
                Isa isa = Isa::kRef);

// The sum of squares in double, of fixed pieces in order: the same bits for any threads.
double squared_norm(std::span<const float> x);

// What gradients are scaled by so that their norm is at most max_norm; 1 where it is already.
double clip_scale(double norm, double max_norm);

enum class Decay : uint8_t { kConstant, kLinear, kCosine };

// The learning rate's course: from 0 up to 1 over `warmup` steps, then constant, or falling to
// `floor` at step `total`.
struct Schedule {
  Decay decay = Decay::kConstant;
  int64_t warmup = 0, total = 0;
  double floor = 0;

  // The factor of step 1, 2, ...; beyond `total` it stays at the floor.
  double factor(int64_t step) const;
};

}  // namespace r1

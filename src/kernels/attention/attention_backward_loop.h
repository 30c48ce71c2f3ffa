// The gradient of attention in products of small matrices (gemm_loop.h), a tile of queries after
// another: s = q k^T and dp = dy v^T of all keys a tile sees, the softmax and its gradient row by
// row, then dq = ds k, dk += ds^T q, dv += p^T dy. `V`: a register of floats.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "kernels/attention/attention_backward.h"
#include "kernels/gemm/gemm_loop.h"

namespace r1 {

template <class V>
struct AttentionBackwardLoop {
  using Float = typename V::Float;
  static constexpr int kLanes = V::kLanes;

  // x [n, dim], rows `stride` apart -> to [dim][to_stride].
  static void turn(const float* x, int64_t stride, int64_t n, int64_t dim, int64_t to_stride,
                   float* to) {
    constexpr int64_t kBlock = 4;
    for (int64_t i = 0; i < n; i += kBlock, x += kBlock * stride) {
      const int64_t rows = std::min(kBlock, n - i);
      int64_t d = 0;
      for (; rows == kBlock && d + kBlock <= dim; d += kBlock) {
        __m128 a = _mm_loadu_ps(x + d), b = _mm_loadu_ps(x + stride + d),
               c = _mm_loadu_ps(x + 2 * stride + d), e = _mm_loadu_ps(x + 3 * stride + d);
        _MM_TRANSPOSE4_PS(a, b, c, e);
        float* const at = to + d * to_stride + i;
        _mm_storeu_ps(at, a);
        _mm_storeu_ps(at + to_stride, b);
        _mm_storeu_ps(at + 2 * to_stride, c);
        _mm_storeu_ps(at + 3 * to_stride, e);
      }
      for (; d < dim; ++d) {
        for (int64_t r = 0; r < rows; ++r) to[d * to_stride + i + r] = x[r * stride + d];
      }
    }
  }

  // Of a query that sees `n` keys: its products become p, and dp becomes ds; 0 up to `end`.
  static void soften(float* p, float* dp, int64_t n, int64_t end, float scale) {
    const auto lanes = [n](int64_t j) {
      return V::first(static_cast<int>(std::clamp<int64_t>(n - j, 0, kLanes)));
    };
    const Float lowest = V::set(-3e38f), factor = V::set(scale);
    Float most = lowest;
    for (int64_t j = 0; j < n; j += kLanes)
      most = V::max(most, V::select(lanes(j), V::load(p + j), lowest));
    const Float top = V::set(V::largest(most));
    Float sum = V::zero(), mean = V::zero();
    for (int64_t j = 0; j < n; j += kLanes) {
      const auto seen = lanes(j);
      const Float e =
          V::select(seen, V::exp(V::mul(V::sub(V::load(p + j), top), factor)), V::zero());
      V::store(p + j, e);
      sum = V::add(sum, e);
      mean = V::fma(e, V::load(dp + j, seen), mean);
    }
    const float all = V::total(sum);
    const Float share = V::set(1 / all), m = V::set(V::total(mean) / all);
    for (int64_t j = 0; j < n; j += kLanes) {
      const Float e = V::mul(V::load(p + j), share);
      V::store(p + j, e);
      V::store(dp + j, V::mul(V::mul(e, factor), V::sub(V::load(dp + j, lanes(j)), m)));
    }
    for (int64_t j = (n + kLanes - 1) / kLanes * kLanes; j < end; j += kLanes) {
      V::store(p + j, V::zero());
      V::store(dp + j, V::zero());
    }
  }

  static void run(const AttentionGradient<float>& a, float* scratch) {
    const int64_t stride = attention_gradient_stride(a.n);
    float* const p = scratch;
    float* const dp = p + kGradientTile * stride;
    float* const kt = dp + kGradientTile * stride;  // k^T [k_dim][stride]
    float* const vt = a.v == a.k ? kt : kt + a.k_dim * stride;
    turn(a.k, a.k_stride, a.n, a.k_dim, stride, kt);
    if (vt != kt) turn(a.v, a.v_stride, a.n, a.v_dim, stride, vt);
    const auto multiply = [](const GemmProduct& product) {
      GemmLoop<V>::template multiply<F32Step<V>>(product);
    };
    for (int64_t head = 0; head < a.n_heads; ++head) {
      for (int64_t t = 0; t < a.n; t += kGradientTile) {
        const int64_t rows = std::min(kGradientTile, a.n - t), seen = t + rows;
        const GemmOperand q{a.q + t * a.q_stride + head * a.k_dim, a.q_stride, 1};
        const GemmOperand dy{a.dy + t * a.y_stride + head * a.v_dim, a.y_stride, 1};
        multiply({rows, seen, a.k_dim, q, {kt, stride, 1}, p, stride, false});
        multiply({rows, seen, a.v_dim, dy, {vt, stride, 1}, dp, stride, false});
        for (int64_t i = 0; i < rows; ++i)
          soften(p + i * stride, dp + i * stride, t + i + 1, seen, a.scale);
        multiply({rows,
                  a.k_dim,
                  seen,
                  {dp, stride, 1},
                  {a.k, a.k_stride, 1},
                  a.dq + t * a.q_stride + head * a.k_dim,
                  a.q_stride,
                  false});
        multiply({seen, a.k_dim, rows, {dp, 1, stride}, q, a.dk, a.k_stride, true});
        multiply({seen, a.v_dim, rows, {p, 1, stride}, dy, a.dv, a.v_stride, true});
      }
    }
  }
};

}  // namespace r1

// Attention over a span of pages: the loops that all instruction sets share (attention_avx2.cpp
// ...). A few queries at a time are multiplied in registers with what is loaded and widened once.
// Scores: lanes are positions (of latent keys, which lie in rows: elements, summed over the lanes
// at the end); values: lanes are elements. Every sum is one chain of FMAs per lane in order,
// however queries are grouped (law 1). `V`: a register of floats. `E`: how keys and values are
// stored.
#pragma once

#include <algorithm>
#include <array>

#include "kernels/attention/attention.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

template <class V>
struct StoredF32 {
  static constexpr int kBytes = 4;
  static constexpr bool kScaled = false;
  R1_INLINE static auto load(const std::byte* at) {
    return V::load(reinterpret_cast<const float*>(at));
  }
};
template <class V>
struct StoredF16 {
  static constexpr int kBytes = 2;
  static constexpr bool kScaled = false;
  R1_INLINE static auto load(const std::byte* at) { return V::load_f16(at); }
};
template <class V>
struct StoredBF16 {
  static constexpr int kBytes = 2;
  static constexpr bool kScaled = false;
  R1_INLINE static auto load(const std::byte* at) { return V::load_bf16(at); }
};
template <class V>
struct StoredQ8_0 {
  static constexpr int kBytes = 1;
  static constexpr bool kScaled = true;  // every 32 elements of a position
  R1_INLINE static auto load(const std::byte* at) { return V::load_i8(at); }
};

// f(N, i) with N queries from i on, N = kMost while there are so many: constants for unrolling.
template <int kMost, class F>
R1_INLINE inline void in_groups(int n, F f) {
  int i = 0;
  for (; i + kMost <= n; i += kMost) f(std::integral_constant<int, kMost>{}, i);
  unroll<kMost - 1>([&](auto rest) R1_INLINE {
    if (n - i == rest + 1) f(std::integral_constant<int, rest + 1>{}, i);
  });
}

// The pages of one span, and what to prefetch: walked once for the keys, then once for the values,
// kAhead pages ahead of use. Latent values are the keys again, still in a cache: while they are
// summed, what follows is prefetched.
class SpanWalk {
 public:
  static constexpr int kAhead = 2;

  SpanWalk(const KvHead& kv, std::span<const int32_t> pages, int32_t first, int n)
      : kv_(kv),
        pages_(pages.subspan(static_cast<size_t>(first / kAttentionTile))),
        after_(pages_),
        n_pages_((n + kAttentionTile - 1) / kAttentionTile) {
    if (std::ssize(pages_) > n_pages_) after_ = pages_.subspan(static_cast<size_t>(n_pages_));
  }

  int n_pages() const { return n_pages_; }
  const std::byte* k(int i) const { return kv_.k + at(pages_, i); }
  const std::byte* v(int i) const { return (kv_.latent() ? kv_.k : kv_.v) + at(pages_, i); }
  const std::byte* after_k(int i) const { return ahead(i + kAhead); }
  const std::byte* after_v(int i) const {
    return kv_.latent() ? follows(i) : ahead(n_pages_ + i + kAhead);
  }

 private:
  int64_t at(std::span<const int32_t> pages, int i) const {
    return pages[static_cast<size_t>(i)] * kv_.page_bytes;
  }
  const std::byte* ahead(int step) const {
    if (step < n_pages_) return k(step);
    if (step < 2 * n_pages_) return v(step - n_pages_);
    return follows(step - 2 * n_pages_);
  }
  const std::byte* follows(int i) const {
    return kv_.k + at(after_, std::min(i, static_cast<int>(after_.size()) - 1));
  }

  const KvHead& kv_;
  std::span<const int32_t> pages_, after_;
  int n_pages_;
};

// Scores, then their exponentials, of every query: rows a little longer than a span, so that those
// of neighbouring queries fall into different sets of a cache.
struct SpanScores {
  static constexpr int kStride = kAttentionSpan + 16;
  alignas(64) float p[kAttentionQueries * kStride];
  int n[kAttentionQueries];  // positions seen
  float before[kAttentionQueries],
      later[kAttentionQueries];  // what the sums before and of this span count for

  float* row(int i) { return p + i * kStride; }
};

template <class V>
struct AttentionLoop {
  using Float = typename V::Float;
  static constexpr int kTile = kAttentionTile, kLanes = V::kLanes, kStride = SpanScores::kStride;
  static constexpr int kTogether = 6;  // queries in registers
  static constexpr float kLog2E = 1.44269504f;

  // The scales [32 positions] of elements [d, d + 32), which lie behind the `dim` rows of codes.
  static const std::byte* scales_of(const std::byte* page, int dim, int d) {
    return page + kTile * dim + d / 32 * kTile * 2;
  }

  static void widen_scales(const std::byte* scales, float* to) {
    for (int j = 0; j < kTile; j += kLanes) V::store(to + j, V::load_f16(scales + j * 2));
  }

  // p[i][j] = q_i . k_j of N queries and the 32 positions of a page [k_dim, 32].
  template <class E, int N>
  static void scores(const std::byte* page, int k_dim, const AttentionQuery* queries, float* p,
                     const std::byte* after) {
    const float* q[N];
    unroll<N>([&](auto i) R1_INLINE { q[i] = queries[i].q; });
    for (int j = 0; j < kTile; j += 2 * kLanes) {
      Float s[N][2];
      unroll<N>([&](auto i) R1_INLINE { s[i][0] = s[i][1] = V::zero(); });
      const std::byte* keys = page + j * E::kBytes;
      const std::byte* next = after + j * E::kBytes;
      for (int d = 0; d < k_dim;) {
        const int end = E::kScaled ? d + 32 : k_dim;
        Float scale[2];
        if constexpr (E::kScaled) {
          const std::byte* scales = scales_of(page, k_dim, d) + j * 2;
          scale[0] = V::load_f16(scales);
          scale[1] = V::load_f16(scales + kLanes * 2);
        }
        for (; d < end; ++d) {
          Float k0 = E::load(keys), k1 = E::load(keys + kLanes * E::kBytes);
          if constexpr (E::kScaled) {
            k0 = V::mul(k0, scale[0]);
            k1 = V::mul(k1, scale[1]);
          }
          __builtin_prefetch(next);
          unroll<N>([&](auto i) R1_INLINE {
            const Float x = V::broadcast(q[i][d]);
            s[i][0] = V::fma(x, k0, s[i][0]);
            s[i][1] = V::fma(x, k1, s[i][1]);
          });
          keys += kTile * E::kBytes;
          next += kTile * E::kBytes;
        }
      }
      unroll<N>([&](auto i) R1_INLINE {
        V::store(p + i * kStride + j, s[i][0]);
        V::store(p + i * kStride + j + kLanes, s[i][1]);
      });
    }
  }

  // The same of a latent page [32, k_dim], a few positions at a time: as many sums as registers.
  template <class E, int N>
  static void latent_scores(const std::byte* page, int k_dim, const AttentionQuery* queries,
                            float* p, const std::byte* after) {
    constexpr int kPairs = N * 2 <= V::kLatentTogether ? 2 : 1, kPositions = 2 * kPairs;
    const float* q[N];
    unroll<N>([&](auto i) R1_INLINE { q[i] = queries[i].q; });
    const int stride = k_dim * E::kBytes;
    for (int j = 0; j < kTile; j += kPositions) {
      Float s[V::kLatentTogether][2];
      unroll<V::kLatentTogether>([&](auto i) R1_INLINE { s[i][0] = s[i][1] = V::zero(); });
      const std::byte* keys = page + j * stride;
      for (int d = 0; d < k_dim; d += kLanes) {
        Float k[kPositions];
        unroll<kPositions>([&](auto i) R1_INLINE {
          k[i] = E::load(keys + i * stride + d * E::kBytes);
          if constexpr (E::kScaled) {
            const std::byte* scale = scales_of(page, k_dim, d) + (j + i) * 2;
            k[i] = V::mul(k[i], V::broadcast(V::f16(scale)));
          }
        });
        unroll<(kPositions * kLanes * E::kBytes + 63) / 64>([&](auto line) R1_INLINE {
          __builtin_prefetch(after + j * stride + d * kPositions * E::kBytes + line * 64);
        });
        unroll<N>([&](auto i) R1_INLINE {
          const Float x = V::keep(V::load(q[i] + d));
          unroll<kPositions>([&](auto n) R1_INLINE {
            Float& sum = s[i * kPairs + n / 2][n % 2];
            sum = V::fma(x, k[n], sum);
          });
        });
      }
      alignas(64) float sums[V::kLatentTogether * 2];
      V::sums(s, sums);
      unroll<N>([&](auto i) R1_INLINE {
        std::copy_n(sums + kPositions * i, kPositions, p + i * kStride + j);
      });
    }
  }

  // The first n scores of a query become exponentials, and the rest up to a whole register 0.
  // Returns their sum; adds it to `sum` and tells what it and the sum before count for.
  static void soften(float* p, int n, float scale, AttentionSum& sum, float& before, float& later) {
    const auto last = V::first(n - (n - 1) / kLanes * kLanes);  // lanes of the last register
    float* const end = p + (n - 1) / kLanes * kLanes;
    Float top = V::select(last, V::load(end), V::broadcast(std::numeric_limits<float>::lowest()));
    for (const float* s = p; s < end; s += kLanes) top = V::max(V::load(s), top);
    AttentionSum span{V::max(top) * (scale * kLog2E), 0};
    const Float factor = V::broadcast(scale * kLog2E), m = V::broadcast(-span.m);
    Float l = V::zero();
    for (float* s = p; s < end; s += kLanes) {
      const Float e = V::exp2(V::fma(V::load(s), factor, m));
      V::store(s, e);
      l = V::add(l, e);
    }
    const Float e = V::select(last, V::exp2(V::fma(V::load(end), factor, m)), V::zero());
    V::store(end, e);
    span.l = V::sum(V::add(l, e));
    add(sum, span, before, later);
  }

  static void add(AttentionSum& sum, const AttentionSum& later, float& a, float& b) {
    const float m = std::max(sum.m, later.m);
    a = V::exp2(sum.m - m);
    b = V::exp2(later.m - m);
    sum = {m, sum.l * a + later.l * b};
  }

  // y_i = y_i before_i + later_i sum over j of p[i][j] v_j, of N queries and R registers of
  // elements from d on.
  template <class E, int N, int R>
  static void values(const SpanWalk& walk, int stride, int v_dim, int d, SpanScores& scores,
                     int first, const AttentionQuery* queries) {
    Float y[N][R];
    unroll<N>([&](auto i) R1_INLINE { unroll<R>([&](auto r) R1_INLINE { y[i][r] = V::zero(); }); });
    const int* n = scores.n + first;
    const float* p = scores.row(first);
    const int n_all = *std::min_element(n, n + N);  // what all of them see
    const int dim = stride / E::kBytes;
    // To prefetch of a row: these elements, and behind the last what keys have more.
    const int bytes = d + R * kLanes == v_dim ? stride - d * E::kBytes : R * kLanes * E::kBytes;
    // Row j of a page; scales [R's blocks of 32][32 positions].
    const auto load_row = [&](const std::byte* v, const float* scales, Float* x) R1_INLINE {
      unroll<R>([&](auto r) R1_INLINE {
        x[r] = E::load(v + r * kLanes * E::kBytes);
        if constexpr (E::kScaled)
          x[r] = V::mul(x[r], V::broadcast(scales[r * kLanes / 32 * kTile]));
      });
    };
    alignas(64) float scales[(R * kLanes + 31) / 32 * kTile];
    const auto load_scales = [&](int page) R1_INLINE {
      if constexpr (E::kScaled) {
        for (int b = 0; b * 32 < R * kLanes; ++b)
          widen_scales(scales_of(walk.v(page), dim, d + b * 32), scales + b * kTile);
      }
    };
    for (int page = 0; page * kTile < n_all; ++page) {
      const std::byte* v = walk.v(page) + d * E::kBytes;
      const std::byte* after = walk.after_v(page) + d * E::kBytes;
      const int end = std::min(n_all, (page + 1) * kTile);
      load_scales(page);
      for (int j = page * kTile; j < end; ++j, v += stride, after += stride) {
        Float x[R];
        load_row(v, scales + j % kTile, x);
        for (int line = 0; line < bytes; line += 64) __builtin_prefetch(after + line);
        unroll<N>([&](auto i) R1_INLINE {
          const Float weight = V::broadcast(p[i * kStride + j]);
          unroll<R>([&](auto r) R1_INLINE { y[i][r] = V::fma(weight, x[r], y[i][r]); });
        });
      }
    }
    unroll<N>([&](auto i) R1_INLINE {  // later rows see a few positions more
      for (int j = n_all; j < n[i]; ++j) {
        if (j == n_all || j % kTile == 0) load_scales(j / kTile);
        Float x[R];
        load_row(walk.v(j / kTile) + j % kTile * stride + d * E::kBytes, scales + j % kTile, x);
        const Float weight = V::broadcast(p[i * kStride + j]);
        unroll<R>([&](auto r) R1_INLINE { y[i][r] = V::fma(weight, x[r], y[i][r]); });
      }
      const Float before = V::broadcast(scores.before[first + i]);
      const Float later = V::broadcast(scores.later[first + i]);
      float* to = queries[i].y + d;
      unroll<R>([&](auto r) R1_INLINE {
        V::store(to + r * kLanes, V::fma(V::load(to + r * kLanes), before, V::mul(y[i][r], later)));
      });
    });
  }

  // Whether whole registers hold a head.
  static bool suits(const KvHead& kv) {
    return kv.v_dim % kLanes == 0 && (!kv.latent() || kv.k_dim % kLanes == 0);
  }

  static void merge(int v_dim, AttentionSum& sum, float* y, const AttentionSum& later,
                    const float* later_y) {
    float a, b;
    add(sum, later, a, b);
    for (int d = 0; d < v_dim; d += kLanes) {
      const Float added = V::mul(V::load(later_y + d), V::broadcast(b));
      V::store(y + d, V::fma(V::load(y + d), V::broadcast(a), added));
    }
  }

  static void attend(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                     std::span<const AttentionQuery> queries) {
    if (kv.dtype == DType::kF32) return attend<StoredF32<V>>(kv, scale, pages, first, queries);
    if (kv.dtype == DType::kF16) return attend<StoredF16<V>>(kv, scale, pages, first, queries);
    if (kv.dtype == DType::kBF16) return attend<StoredBF16<V>>(kv, scale, pages, first, queries);
    return attend<StoredQ8_0<V>>(kv, scale, pages, first, queries);
  }

 private:
  template <class E>
  static void attend(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                     std::span<const AttentionQuery> queries) {
    SpanScores s;
    const int count = static_cast<int>(queries.size());
    int n = 0;
    for (int i = 0; i < count; ++i) {
      s.n[i] = std::min(kAttentionSpan, queries[static_cast<size_t>(i)].position - first + 1);
      n = std::max(n, s.n[i]);
    }
    const SpanWalk walk(kv, pages, first, n);
    for (int page = 0; page < walk.n_pages(); ++page) {
      const auto run = [&](auto scores_of, int i) R1_INLINE {
        scores_of(walk.k(page), kv.k_dim, &queries[static_cast<size_t>(i)], s.row(i) + page * kTile,
                  walk.after_k(page));
      };
      if (kv.latent()) {
        in_groups<V::kLatentTogether>(
            count, [&](auto N, int i) R1_INLINE { run(latent_scores<E, N>, i); });
      } else {
        in_groups<kTogether>(count, [&](auto N, int i) R1_INLINE { run(scores<E, N>, i); });
      }
    }
    for (int i = 0; i < count; ++i) {
      soften(s.row(i), s.n[i], scale, *queries[static_cast<size_t>(i)].sum, s.before[i],
             s.later[i]);
    }
    const int stride = (kv.latent() ? kv.k_dim : kv.v_dim) * E::kBytes;
    int d = 0;
    const auto elements = [&](auto R) R1_INLINE {
      for (; d + R * kLanes <= kv.v_dim; d += R * kLanes) {
        in_groups<kTogether>(count, [&](auto N, int i) R1_INLINE {
          values<E, N, R>(walk, stride, kv.v_dim, d, s, i, &queries[static_cast<size_t>(i)]);
        });
      }
    };
    elements(std::integral_constant<int, V::kValueRegisters>{});
    elements(std::integral_constant<int, 1>{});
  }
};

}  // namespace r1

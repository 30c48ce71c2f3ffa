// Attention over pages with AVX2: a page is loaded once for up to four queries at a time (those of
// the heads that share it, and of neighbouring rows). Scores: lanes are positions, one FMA chain
// over k_dim each. Values: lanes are elements of v, one FMA chain over positions each. How queries
// are grouped changes no chain (law 1).
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/attention/attention.h"
#include "kernels/exp/exp_avx2.h"
#include "kernels/matmul/unroll.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;

struct F32 {
  static constexpr int kBytes = 4;
  static __m256 load(const std::byte* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
};
struct F16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
};
struct BF16 {
  static constexpr int kBytes = 2;
  static __m256 load(const std::byte* p) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
};

// A query on its way through the pages.
struct State {
  float m = -std::numeric_limits<float>::infinity();
  float l = 0;
  alignas(32) float p[kTile];  // scores of the page, then their exponentials
};

// p[i][j] = q_i . k_j of N queries and the page's 32 positions.
template <class T, int N>
void scores(const std::byte* k, int k_dim, const AttentionQuery* queries, State* states) {
  for (int j = 0; j < kTile; j += 16) {
    __m256 s[N][2] = {};
    const std::byte* keys = k + j * T::kBytes;
    for (int d = 0; d < k_dim; ++d, keys += kTile * T::kBytes) {
      const __m256 k0 = T::load(keys), k1 = T::load(keys + 8 * T::kBytes);
      unroll<N>([&](auto i) R1_INLINE {
        const __m256 q = _mm256_broadcast_ss(queries[i].q + d);
        s[i][0] = _mm256_fmadd_ps(q, k0, s[i][0]);
        s[i][1] = _mm256_fmadd_ps(q, k1, s[i][1]);
      });
    }
    unroll<N>([&](auto i) R1_INLINE {
      _mm256_store_ps(states[i].p + j, s[i][0]);
      _mm256_store_ps(states[i].p + j + 8, s[i][1]);
    });
  }
}

float max8(__m256 x) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// Scores become exponentials, the first n valid and the rest 0; returns e^(m - m').
float soften(State& state, float scale, int n) {
  const __m256 none = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  __m256 s[4], valid[4];
  __m256 top = _mm256_set1_ps(state.m);
  for (int i = 0; i < 4; ++i) {
    valid[i] = _mm256_castsi256_ps(lanes_avx2(n - 8 * i));
    s[i] = _mm256_mul_ps(_mm256_load_ps(state.p + 8 * i), _mm256_set1_ps(scale));
    s[i] = _mm256_blendv_ps(none, s[i], valid[i]);
    top = _mm256_max_ps(top, s[i]);
  }
  const float m = max8(top);
  for (int i = 0; i < 4; ++i) {
    s[i] = _mm256_and_ps(exp_avx2(_mm256_sub_ps(s[i], _mm256_set1_ps(m))), valid[i]);
    _mm256_store_ps(state.p + 8 * i, s[i]);
  }
  const float correction = _mm256_cvtss_f32(exp_avx2(_mm256_set1_ps(state.m - m)));
  state.m = m;
  state.l = state.l * correction +
            sum_avx2(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
  return correction;
}

// y_i = y_i * correction_i + sum over j < n of p[i][j] v_j, 16 elements at a time.
template <class T, int N>
void add_values(const std::byte* v, int v_dim, int n, const float* correction,
                const AttentionQuery* queries, const State* states) {
  const int stride = v_dim * T::kBytes;
  int d = 0;
  for (; d + 16 <= v_dim; d += 16) {
    __m256 y[N][2];
    unroll<N>([&](auto i) R1_INLINE {
      const __m256 c = _mm256_set1_ps(correction[i]);
      y[i][0] = _mm256_mul_ps(_mm256_loadu_ps(queries[i].y + d), c);
      y[i][1] = _mm256_mul_ps(_mm256_loadu_ps(queries[i].y + d + 8), c);
    });
    const std::byte* values = v + d * T::kBytes;
    for (int j = 0; j < n; ++j, values += stride) {
      const __m256 v0 = T::load(values), v1 = T::load(values + 8 * T::kBytes);
      unroll<N>([&](auto i) R1_INLINE {
        const __m256 p = _mm256_broadcast_ss(states[i].p + j);
        y[i][0] = _mm256_fmadd_ps(p, v0, y[i][0]);
        y[i][1] = _mm256_fmadd_ps(p, v1, y[i][1]);
      });
    }
    unroll<N>([&](auto i) R1_INLINE {
      _mm256_storeu_ps(queries[i].y + d, y[i][0]);
      _mm256_storeu_ps(queries[i].y + d + 8, y[i][1]);
    });
  }
  for (int i = 0; d < v_dim && i < N; ++i) {  // v_dim is a multiple of 8
    __m256 y = _mm256_mul_ps(_mm256_loadu_ps(queries[i].y + d), _mm256_set1_ps(correction[i]));
    for (int j = 0; j < n; ++j) {
      y = _mm256_fmadd_ps(_mm256_broadcast_ss(states[i].p + j),
                          T::load(v + d * T::kBytes + j * stride), y);
    }
    _mm256_storeu_ps(queries[i].y + d, y);
  }
}

// N neighbouring queries and one page whose first position is `first`.
template <class T, int N>
void page_of(const KvHead& kv, int64_t page, int32_t first, float scale,
             const AttentionQuery* queries, State* states) {
  scores<T, N>(kv.k + page, kv.k_dim, queries, states);
  float correction[N];
  int n[N];
  for (int i = 0; i < N; ++i) {
    n[i] = std::min(kTile, queries[i].position - first + 1);
    correction[i] = soften(states[i], scale, n[i]);
  }
  add_values<T, N>(kv.v + page, kv.v_dim, n[0], correction, queries, states);
  // Later rows see a few positions more: none of these may touch the earlier rows, not even
  // multiplied by 0.
  for (int i = 1; i < N; ++i) {
    if (n[i] == n[0]) continue;
    State rest = states[i];
    std::copy(rest.p + n[0], rest.p + n[i], rest.p);
    const float one = 1;
    add_values<T, 1>(kv.v + page + n[0] * kv.v_dim * T::kBytes, kv.v_dim, n[i] - n[0], &one,
                     queries + i, &rest);
  }
}

template <class T>
void attend(const KvHead& kv, float scale, std::span<const int32_t> pages,
            std::span<const AttentionQuery> queries) {
  State states[kAttentionQueries];
  const int n = static_cast<int>(queries.size());
  for (const AttentionQuery& query : queries) std::fill(query.y, query.y + kv.v_dim, 0.0f);
  for (int32_t first = 0; first <= queries.back().position; first += kTile) {
    const int64_t page = pages[static_cast<size_t>(first / kTile)] * kv.page_bytes;
    int i = 0;
    while (queries[static_cast<size_t>(i)].position < first)
      ++i;  // earlier rows end before this page
    while (i < n) {
      const AttentionQuery* q = &queries[static_cast<size_t>(i)];
      switch (std::min(n - i, 4)) {
        case 1:
          page_of<T, 1>(kv, page, first, scale, q, states + i);
          break;
        case 2:
          page_of<T, 2>(kv, page, first, scale, q, states + i);
          break;
        case 3:
          page_of<T, 3>(kv, page, first, scale, q, states + i);
          break;
        default:
          page_of<T, 4>(kv, page, first, scale, q, states + i);
          break;
      }
      i += 4;
    }
  }
  for (size_t i = 0; i < queries.size(); ++i) {
    for (int d = 0; d < kv.v_dim; ++d) queries[i].y[d] /= states[i].l;
  }
}

}  // namespace

void attention_avx2(const KvHead& kv, float scale, std::span<const int32_t> pages,
                    std::span<const AttentionQuery> queries) {
  if (queries.empty()) return;
  if (kv.latent() || kv.v_dim % 8 != 0) return attention_ref(kv, scale, pages, queries);
  if (kv.dtype == DType::kF32) return attend<F32>(kv, scale, pages, queries);
  if (kv.dtype == DType::kF16) return attend<F16>(kv, scale, pages, queries);
  return attend<BF16>(kv, scale, pages, queries);
}

void kv_store_avx2(const KvHead& kv, int32_t page, int offset, const float* k, const float* v) {
  if (kv.latent() || kv.dtype != DType::kF16) return kv_store_ref(kv, page, offset, k, v);
  auto* keys = reinterpret_cast<uint16_t*>(kv.k + page * kv.page_bytes) + offset;
  auto* values = reinterpret_cast<uint16_t*>(kv.v + page * kv.page_bytes) + offset * kv.v_dim;
  uint16_t halves[8];
  const auto narrow = [&halves](const float* x, int n) {
    const __m256 eight = _mm256_maskload_ps(x, lanes_avx2(n));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves),
                     _mm256_cvtps_ph(eight, _MM_FROUND_TO_NEAREST_INT));
  };
  for (int d = 0; d < kv.k_dim; d += 8) {
    const int n = std::min(8, kv.k_dim - d);
    narrow(k + d, n);
    for (int i = 0; i < n; ++i) keys[(d + i) * kTile] = halves[i];
  }
  for (int d = 0; d < kv.v_dim; d += 8) {
    const int n = std::min(8, kv.v_dim - d);
    narrow(v + d, n);
    std::memcpy(values + d, halves, static_cast<size_t>(n) * sizeof(uint16_t));
  }
}

}  // namespace r1

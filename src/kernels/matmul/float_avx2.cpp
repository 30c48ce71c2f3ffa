// Products in F32 with AVX2: kFast of the float types, and kF32 of every type on its exact values.
// 16 rows are widened or decoded to F32 tile by tile, [k][8] for each 8 rows; then up to 6 tokens
// share each load. Every element is one chain of FMAs from zero in the order of K: law 1 (see
// matmul.h).
#include <immintrin.h>

#include <array>
#include <cstring>

#include "kernels/matmul/unroll.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

constexpr int kRows = 8;
constexpr int kTile = 256;   // elements of K decoded at a time
constexpr int kTokens = 32;  // tokens that share a decoded tile
constexpr int kFew =
    3;  // tokens up to which memory is the limit: more rows, fewer tokens at a time
constexpr int kAhead = 8192;  // bytes that weights are prefetched before use

// An odd number of cache lines, so that tokens spread over all sets.
size_t activation_bytes(int64_t cols) { return static_cast<size_t>((cols + 15) / 16 | 1) * 64; }

void prepare(const float* x, int64_t cols, std::byte* prepared) {
  std::memcpy(prepared, x, static_cast<size_t>(cols) * 4);
}

// sums [n_tokens][G * 8] += tiles [G][n][8] x tokens, each token's activations `stride` floats
// after the last's.
template <class Weights, int G, int N>
void add_products(const std::byte* const* tiles, int64_t n, const float* x, int64_t stride,
                  float* sums) {
  __m256 sum[N][G];
  unroll<N>([&](auto t) R1_INLINE {
    unroll<G>([&](auto g) R1_INLINE { sum[t][g] = _mm256_load_ps(sums + kRows * (G * t + g)); });
  });
  for (int64_t k = 0; k < n; ++k) {
    __m256 w[G];
    unroll<G>([&](auto g) R1_INLINE {
      const std::byte* at = tiles[g] + Weights::kStep * k;
      _mm_prefetch(at + kAhead, _MM_HINT_T0);
      w[g] = Weights::load(at);
    });
    unroll<N>([&](auto t) R1_INLINE {
      const __m256 a = _mm256_broadcast_ss(x + stride * t + k);
      unroll<G>([&](auto g) R1_INLINE { sum[t][g] = _mm256_fmadd_ps(w[g], a, sum[t][g]); });
    });
  }
  unroll<N>([&](auto t) R1_INLINE {
    unroll<G>([&](auto g) R1_INLINE { _mm256_store_ps(sums + kRows * (G * t + g), sum[t][g]); });
  });
}

template <class Weights, int G>
void add_products(const std::byte* const* tiles, int64_t n, const float* x, int64_t stride,
                  int n_tokens, float* sums) {
  constexpr int kMost =
      G == 4 ? kFew : 6;  // their sums, the weights and one broadcast fit 16 registers
  for (; n_tokens > 0; n_tokens -= kMost, x += kMost * stride, sums += kMost * G * kRows) {
    const int now = n_tokens < kMost ? n_tokens : kMost;
    unroll<kMost>([&](auto i) {
      if (now == i + 1) add_products<Weights, G, i + 1>(tiles, n, x, stride, sums);
    });
  }
}

// How weights lie in memory: `bytes` and `pack` of a row group; `tile`: its values [n][8] from
// element k on, in `scratch` or where they are.

template <DType type>  // F32, F16, BF16: interleaved [cols][8]
struct Interleaved {
  static constexpr size_t kSize = type == DType::kF32 ? 4 : 2;
  static constexpr int64_t kStep = kRows * kSize;

  static size_t bytes(int64_t cols) {
    return (static_cast<size_t>(cols) * kRows * kSize + 63) / 64 * 64;
  }

  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    const auto n = static_cast<size_t>(cols);
    std::memset(packed, 0, bytes(cols));
    for (size_t r = 0; r < static_cast<size_t>(n_rows); ++r) {
      for (size_t k = 0; k < n; ++k) {
        std::memcpy(packed + (k * kRows + r) * kSize, rows + (r * n + k) * kSize, kSize);
      }
    }
  }

  static const std::byte* tile(const std::byte* packed, int64_t /*cols*/, int64_t k, int64_t /*n*/,
                               float* /*scratch*/) {
    return packed + kStep * k;
  }

  R1_INLINE static __m256 load(const std::byte* at) {
    if constexpr (type == DType::kF32) return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if constexpr (type == DType::kF16) return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
};

template <DType type>  // blocks: rows as stored, one after the other
struct Stored {
  static size_t row_bytes(int64_t cols) {
    return static_cast<size_t>(cols / info(type).block * info(type).block_bytes);
  }
  static size_t bytes(int64_t cols) { return (row_bytes(cols) * kRows + 63) / 64 * 64; }

  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    std::memset(packed, 0, bytes(cols));
    std::memcpy(packed, rows, row_bytes(cols) * static_cast<size_t>(n_rows));
  }

  static constexpr int64_t kStep = kRows * 4;

  static const std::byte* tile(const std::byte* packed, int64_t cols, int64_t k, int64_t n,
                               float* scratch) {
    for (size_t r = 0; r < kRows; ++r) {
      float row[kTile];
      info(type).decode(packed + row_bytes(cols) * r + row_bytes(k), row, static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) scratch[kRows * i + static_cast<int64_t>(r)] = row[i];
    }
    return reinterpret_cast<const std::byte*>(scratch);
  }

  R1_INLINE static __m256 load(const std::byte* at) {
    return _mm256_load_ps(reinterpret_cast<const float*>(at));
  }
};

// Rows [0, n_rows) of G row groups for n <= kTokens tokens.
template <class Weights, int G>
void multiply_groups(const std::byte* packed, int64_t n_rows, int64_t cols, const float* x, int n,
                     float* y, int64_t y_stride) {
  const auto x_stride = static_cast<int64_t>(activation_bytes(cols) / 4);
  alignas(64) float sums[kTokens * G * kRows] = {};
  alignas(64) float scratch[G][kTile * kRows];
  for (int64_t k = 0; k < cols; k += kTile) {
    const int64_t width = cols - k < kTile ? cols - k : kTile;
    const std::byte* tiles[G];
    for (size_t g = 0; g < G; ++g)
      tiles[g] = Weights::tile(packed + Weights::bytes(cols) * g, cols, k, width, scratch[g]);
    add_products<Weights, G>(tiles, width, x + k, x_stride, n, sums);
  }
  for (int t = 0; t < n; ++t) {
    std::memcpy(y + t * y_stride, sums + t * G * kRows, static_cast<size_t>(n_rows) * 4);
  }
}

template <class Weights>
void multiply(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
              const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
  for (int64_t t = 0; t < n_tokens; t += kTokens) {
    const int n = static_cast<int>(n_tokens - t < kTokens ? n_tokens - t : kTokens);
    const auto* x =
        reinterpret_cast<const float*>(prepared + activation_bytes(cols) * static_cast<size_t>(t));
    int64_t g = 0;
    const auto groups_of = [&](auto size) {
      constexpr int G = size;
      for (; g + G <= n_groups; g += G) {
        const int64_t rows = n_rows - g * kRows;
        multiply_groups<Weights, G>(packed + Weights::bytes(cols) * static_cast<size_t>(g),
                                    rows < G * kRows ? rows : G * kRows, cols, x, n,
                                    y + t * y_stride + g * kRows, y_stride);
      }
    };
    if (n <= kFew) groups_of(std::integral_constant<int, 4>{});
    groups_of(std::integral_constant<int, 2>{});
    groups_of(std::integral_constant<int, 1>{});
  }
}

template <DType type, template <DType> class Weights>
constexpr MatmulKernel kernel(Compute compute, std::string_view name) {
  using W = Weights<type>;
  return {name,     type,    compute,          Isa::kAvx2, kRows,
          W::bytes, W::pack, activation_bytes, prepare,    multiply<W>};
}

constexpr MatmulKernel kKernels[] = {
    kernel<DType::kF32, Interleaved>(Compute::kFast, "f32/avx2"),
    kernel<DType::kF16, Interleaved>(Compute::kFast, "f16/avx2"),
    kernel<DType::kBF16, Interleaved>(Compute::kFast, "bf16/avx2"),
    kernel<DType::kF32, Interleaved>(Compute::kF32, "f32/f32/avx2"),
    kernel<DType::kF16, Interleaved>(Compute::kF32, "f16/f32/avx2"),
    kernel<DType::kBF16, Interleaved>(Compute::kF32, "bf16/f32/avx2"),
    kernel<DType::kQ4_0, Stored>(Compute::kF32, "q4_0/f32/avx2"),
    kernel<DType::kQ4_1, Stored>(Compute::kF32, "q4_1/f32/avx2"),
    kernel<DType::kQ5_0, Stored>(Compute::kF32, "q5_0/f32/avx2"),
    kernel<DType::kQ5_1, Stored>(Compute::kF32, "q5_1/f32/avx2"),
    kernel<DType::kQ8_0, Stored>(Compute::kF32, "q8_0/f32/avx2"),
    kernel<DType::kQ2_K, Stored>(Compute::kF32, "q2_k/f32/avx2"),
    kernel<DType::kQ3_K, Stored>(Compute::kF32, "q3_k/f32/avx2"),
    kernel<DType::kQ4_K, Stored>(Compute::kF32, "q4_k/f32/avx2"),
    kernel<DType::kQ5_K, Stored>(Compute::kF32, "q5_k/f32/avx2"),
    kernel<DType::kQ6_K, Stored>(Compute::kF32, "q6_k/f32/avx2"),
    kernel<DType::kIQ4_NL, Stored>(Compute::kF32, "iq4_nl/f32/avx2"),
    kernel<DType::kIQ4_XS, Stored>(Compute::kF32, "iq4_xs/f32/avx2"),
    kernel<DType::kMXFP4, Stored>(Compute::kF32, "mxfp4/f32/avx2"),
};

}  // namespace

Kernels matmul_float_avx2() { return kKernels; }

}  // namespace r1

#include "kernels/matmul/random_matrix.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace r1 {
namespace {

// Where a block keeps the F16 that multiply its codes: d, and m or dmin or -1.
struct ScaleFields {
  int d, m;
};

ScaleFields scale_fields(DType type) {
  switch (type) {
    case DType::kQ4_0:
    case DType::kQ5_0:
    case DType::kQ8_0:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
      return {0, -1};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {offsetof(BlockQ2_K, d), offsetof(BlockQ2_K, dmin)};
    case DType::kQ3_K:
      return {offsetof(BlockQ3_K, d), -1};
    case DType::kQ6_K:
      return {offsetof(BlockQ6_K, d), -1};
    default:
      return {-1, -1};
  }
}

}  // namespace

std::vector<std::byte> random_matrix(DType type, int64_t rows, int64_t cols, uint64_t seed,
                                     Fill fill, float scale) {
  const DTypeInfo& dtype = info(type);
  const auto size = stored_bytes(type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols));
  R1_CHECK(size);
  std::vector<std::byte> bytes(*size, std::byte(fill == Fill::kLargest ? 0xff : 0));
  if (fill == Fill::kRandom) {
    for (size_t i = 0; i < bytes.size(); i += 16) {
      const auto words = philox4x32({static_cast<uint32_t>(i), 0, 0, 1},
                                    {static_cast<uint32_t>(seed), static_cast<uint32_t>(type)});
      std::memcpy(bytes.data() + i, words.data(), std::min<size_t>(16, bytes.size() - i));
    }
  }
  const auto draw = [&](size_t i, uint64_t stream) {
    if (fill != Fill::kRandom) return scale;
    return scale * static_cast<float>(2 * uniform(seed, stream, i) - 1);
  };
  const auto put_half = [&](size_t at, uint16_t half) { std::memcpy(bytes.data() + at, &half, 2); };
  const auto step = static_cast<size_t>(dtype.block_bytes);
  for (size_t at = 0, i = 0; at < bytes.size(); at += step, ++i) {
    const float d = draw(i, 2);
    const ScaleFields fields = scale_fields(type);
    if (fields.d >= 0) put_half(at + static_cast<size_t>(fields.d), f32_to_f16(d));
    if (fields.m >= 0) put_half(at + static_cast<size_t>(fields.m), f32_to_f16(draw(i, 3)));
    if (type == DType::kF32) std::memcpy(bytes.data() + at, &d, 4);
    if (type == DType::kF16) put_half(at, f32_to_f16(d));
    if (type == DType::kBF16) put_half(at, f32_to_bf16(d));
    if (type == DType::kMXFP4) {
      bytes[at] = std::byte(128 + std::ilogb(scale) + static_cast<int>(3 * uniform(seed, 4, i)));
    }
  }
  return bytes;
}

std::vector<float> random_activations(int64_t n, uint64_t seed, float deviation) {
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = deviation * static_cast<float>(normal(seed, 5, i));
  }
  return x;
}

}  // namespace r1

// Plain floats: F32, F16, BF16, and F8E4M3 without its block scales (fp8.h applies those).
#include <cstring>

#include "quant/codecs.h"
#include "quant/half.h"

namespace r1 {
namespace {

template <auto widen>
void decode_halves(const std::byte* halves, float* values, size_t n) {
  for (size_t i = 0; i < n; ++i) values[i] = widen(load_u16(halves + 2 * i));
}

template <auto narrow>
void encode_halves(const float* values, std::byte* halves, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint16_t half = narrow(values[i]);
    std::memcpy(halves + 2 * i, &half, sizeof half);
  }
}

}  // namespace

void decode_f32(const std::byte* blocks, float* values, size_t n) {
  std::memcpy(values, blocks, n * sizeof(float));
}
void decode_f16(const std::byte* blocks, float* values, size_t n) {
  decode_halves<f16_to_f32>(blocks, values, n);
}
void decode_bf16(const std::byte* blocks, float* values, size_t n) {
  decode_halves<bf16_to_f32>(blocks, values, n);
}

void decode_f8e4m3(const std::byte* blocks, float* values, size_t n) {
  for (size_t i = 0; i < n; ++i) values[i] = f8e4m3_to_f32(static_cast<uint8_t>(blocks[i]));
}

// Every element rounds alone, so importance changes nothing.
void encode_f32(const float* values, std::byte* blocks, size_t n, const float*) {
  std::memcpy(blocks, values, n * sizeof(float));
}
void encode_f16(const float* values, std::byte* blocks, size_t n, const float*) {
  encode_halves<f32_to_f16>(values, blocks, n);
}
void encode_bf16(const float* values, std::byte* blocks, size_t n, const float*) {
  encode_halves<f32_to_bf16>(values, blocks, n);
}

}  // namespace r1

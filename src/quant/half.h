// The short float formats: F16 (IEEE binary16), BF16 (the top half of F32), F8E4M3 (OCP FP8 e4m3fn:
// bias 7, no infinities, largest 448, NaN = 0x7f and 0xff). Widening is exact; narrowing rounds to
// nearest, ties to even. Free of branches, so loops over them vectorize on any instruction set;
// needs subnormals not flushed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace r1 {

inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffu)
                             << 13;  // exponent still biased by 15
  // Subnormal: mantissa * 2^-24 is the mantissa planted in [0.5, 1), less 0.5.
  const float subnormal = std::bit_cast<float>(0x3f000000u | (magnitude >> 13)) - 0.5f;
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;  // infinity or NaN
  const uint32_t normal = (magnitude + (112u << 23)) | special;
  return std::bit_cast<float>(
      sign | (magnitude < 0x00800000u ? std::bit_cast<uint32_t>(subnormal) : normal));
}

// Values of magnitude 65520 and above become infinite; a NaN stays one.
inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t small = magnitude < 0x38800000u ? magnitude : 0u;  // below 2^-14
  // The adder rounds: 0.5 has the unit 2^-24, that of an F16 subnormal.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(small) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  const uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  const uint32_t large = magnitude > 0x7f800000u ? nan : 0x7c00u;
  return static_cast<uint16_t>(sign | (magnitude >= 0x47800000u ? large : finite));
}

inline float bf16_to_f32(uint16_t half) {
  return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

inline float f8e4m3_to_f32(uint8_t byte) {
  const uint32_t sign = static_cast<uint32_t>(byte & 0x80u) << 24;
  const uint32_t magnitude = byte & 0x7fu;
  // Planted as in F16: 2^-6 has the unit 2^-9 in its top three mantissa bits.
  const float subnormal = std::bit_cast<float>((121u << 23) | (magnitude << 20)) - 0x1p-6f;
  const uint32_t normal = magnitude == 0x7fu ? 0x7fc00000u : (magnitude << 20) + (120u << 23);
  return std::bit_cast<float>(sign |
                              (magnitude < 8u ? std::bit_cast<uint32_t>(subnormal) : normal));
}

// Stored numbers need not be aligned in a file.
inline uint16_t load_u16(const void* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline uint32_t load_u32(const void* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace r1

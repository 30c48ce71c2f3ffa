// What the block weights have in common: unsigned codes of at most 8 bits, a scale per block, and,
// in blocks of 256, 8-bit integer scales of sub-blocks. value = d scale (code - offset), or d scale
// code + m (- m min for K types). read_codes takes one stored block apart; all products of block
// weights rest on it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/blocks.h"
#include "quant/dtype.h"

namespace r1 {

struct Format {
  int bytes;      // of a stored block
  int block;      // elements that share d
  int sub;        // elements that share an integer scale, and whose activations are summed together
  int low, high;  // bits of a stored code in the low and in the high plane
  int bits;       // bits of a code as multiplied: more than stored where a table stands between
  int offset;     // the code of the value 0
  bool min;
};

constexpr Format format_of(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return {sizeof(BlockQ4_0), 32, 32, 4, 0, 4, 8, false};
    case DType::kQ4_1:
      return {sizeof(BlockQ4_1), 32, 32, 4, 0, 4, 0, true};
    case DType::kQ5_0:
      return {sizeof(BlockQ5_0), 32, 32, 4, 1, 5, 16, false};
    case DType::kQ5_1:
      return {sizeof(BlockQ5_1), 32, 32, 4, 1, 5, 0, true};
    case DType::kQ8_0:
      return {sizeof(BlockQ8_0), 32, 32, 8, 0, 8, 128, false};
    case DType::kIQ4_NL:
      return {sizeof(BlockIQ4_NL), 32, 32, 4, 0, 8, 128, false};
    case DType::kMXFP4:
      return {sizeof(BlockMXFP4), 32, 32, 4, 0, 5, 16, false};
    case DType::kQ2_K:
      return {sizeof(BlockQ2_K), 256, 16, 2, 0, 2, 0, true};
    case DType::kQ3_K:
      return {sizeof(BlockQ3_K), 256, 16, 2, 1, 3, 4, false};
    case DType::kQ4_K:
      return {sizeof(BlockQ4_K), 256, 32, 4, 0, 4, 0, true};
    case DType::kQ5_K:
      return {sizeof(BlockQ5_K), 256, 32, 4, 1, 5, 0, true};
    case DType::kQ6_K:
      return {sizeof(BlockQ6_K), 256, 16, 4, 2, 6, 32, false};
    case DType::kIQ4_XS:
      return {sizeof(BlockIQ4_XS), 256, 32, 4, 0, 8, 128, false};
    default:
      return {};
  }
}

// The code that a stored one stands for, where a table stands between.
constexpr uint8_t table_code(DType type, int stored) {
  if (type == DType::kMXFP4) return static_cast<uint8_t>(kMXFP4Values[stored] + 16);
  return static_cast<uint8_t>(kIQ4Values[stored] + 128);
}

constexpr bool has_table(DType type) {
  return type == DType::kMXFP4 || type == DType::kIQ4_NL || type == DType::kIQ4_XS;
}

// One block of one row. Scales are F16 but for MXFP4's, whose powers of two are BF16.
struct Codes {
  uint8_t q[256];
  int8_t scales[16];
  uint8_t mins[16];
  uint16_t d, m;
};

// Takes one stored block apart.
void read_codes(DType type, const std::byte* block, Codes& codes);

}  // namespace r1

// Stored blocks taken apart into codes and scales; the layouts are those of quant/blocks.h.
#include "kernels/matmul/codes.h"

#include "base/error.h"

namespace r1 {
namespace {

template <class Block>
const Block& as(const std::byte* block) {
  return *reinterpret_cast<const Block*>(block);
}

// n bytes of two codes each: the low nibbles come first.
void read_nibbles(const uint8_t* qs, int n, uint8_t* q) {
  for (int i = 0; i < n; ++i) {
    q[i] = qs[i] & 15;
    q[i + n] = qs[i] >> 4;
  }
}

// Bit `j` of `qh` is bit 4 of code j.
void add_fifth_bits(uint32_t qh, uint8_t* q) {
  for (int j = 0; j < 32; ++j) q[j] = static_cast<uint8_t>(q[j] | ((qh >> j) & 1) << 4);
}

template <class Block>
void read_small(const std::byte* at, Codes& codes) {
  const Block& block = as<Block>(at);
  codes.d = block.d;
  if constexpr (requires { block.m; }) codes.m = block.m;
  read_nibbles(block.qs, 16, codes.q);
  if constexpr (requires { block.qh; }) add_fifth_bits(block.qh, codes.q);
}

void read_q8_0(const BlockQ8_0& block, Codes& codes) {
  codes.d = block.d;
  for (int i = 0; i < 32; ++i) codes.q[i] = static_cast<uint8_t>(block.qs[i] + 128);
}

void read_mxfp4(const BlockMXFP4& block, Codes& codes) {
  codes.d = static_cast<uint16_t>(std::bit_cast<uint32_t>(mxfp4_scale(block.e)) >> 16);
  read_nibbles(block.qs, 16, codes.q);
}

// The two low bits of 256 codes, in the order of Q2_K and Q3_K.
void read_pairs(const uint8_t* qs, uint8_t* q) {
  for (int g = 0; g < 8; ++g) {  // of 32: half g / 4, shift 2 (g % 4)
    for (int l = 0; l < 32; ++l) q[32 * g + l] = (qs[32 * (g / 4) + l] >> (2 * (g % 4))) & 3;
  }
}

// Bit g of byte l is bit `to` of code 32 g + l.
void add_bits(const uint8_t* bits, int to, uint8_t* q) {
  for (int g = 0; g < 8; ++g, q += 32) {
    for (int l = 0; l < 32; ++l) q[l] = static_cast<uint8_t>(q[l] | ((bits[l] >> g) & 1) << to);
  }
}

void read_q2_k(const BlockQ2_K& block, Codes& codes) {
  codes.d = block.d;
  codes.m = block.dmin;
  read_pairs(block.qs, codes.q);
  for (int s = 0; s < 16; ++s) {
    codes.scales[s] = block.scales[s] & 15;
    codes.mins[s] = block.scales[s] >> 4;
  }
}

void read_q3_k(const BlockQ3_K& block, Codes& codes) {
  codes.d = block.d;
  read_pairs(block.qs, codes.q);
  add_bits(block.hmask, 2, codes.q);
  for (int s = 0; s < 16; ++s) {
    codes.scales[s] = static_cast<int8_t>(unpack_scale_q3k(block.scales, s) - 32);
  }
}

template <class Block>  // Q4_K, Q5_K
void read_q45_k(const std::byte* at, Codes& codes) {
  const Block& block = as<Block>(at);
  codes.d = block.d;
  codes.m = block.dmin;
  for (int g = 0; g < 4; ++g) read_nibbles(block.qs + 32 * g, 32, codes.q + 64 * g);
  if constexpr (requires { block.qh; }) {
    add_bits(block.qh, 4, codes.q);
  }
  for (int s = 0; s < 8; ++s) {
    int scale, min;
    unpack_scale_k4(block.scales, s, scale, min);
    codes.scales[s] = static_cast<int8_t>(scale);
    codes.mins[s] = static_cast<uint8_t>(min);
  }
}

void read_q6_k(const BlockQ6_K& block, Codes& codes) {
  codes.d = block.d;
  for (int half = 0; half < 2; ++half) {
    uint8_t* q = codes.q + 128 * half;
    read_nibbles(block.ql + 64 * half, 64, q);
    for (int g = 0; g < 4; ++g, q += 32) {
      for (int l = 0; l < 32; ++l) {
        const int high = (block.qh[32 * half + l] >> (2 * g)) & 3;
        q[l] = static_cast<uint8_t>(q[l] | high << 4);
      }
    }
  }
  for (int s = 0; s < 16; ++s) codes.scales[s] = block.scales[s];
}

void read_iq4_xs(const BlockIQ4_XS& block, Codes& codes) {
  codes.d = block.d;
  for (int s = 0; s < 8; ++s) {
    read_nibbles(block.qs + 16 * s, 16, codes.q + 32 * s);
    codes.scales[s] = static_cast<int8_t>(unpack_scale_iq4xs(block, s) - 32);
  }
}

}  // namespace

void read_codes(DType type, const std::byte* block, Codes& codes) {
  switch (type) {
    case DType::kQ4_0:
      return read_small<BlockQ4_0>(block, codes);
    case DType::kQ4_1:
      return read_small<BlockQ4_1>(block, codes);
    case DType::kQ5_0:
      return read_small<BlockQ5_0>(block, codes);
    case DType::kQ5_1:
      return read_small<BlockQ5_1>(block, codes);
    case DType::kQ8_0:
      return read_q8_0(as<BlockQ8_0>(block), codes);
    case DType::kIQ4_NL:
      return read_small<BlockIQ4_NL>(block, codes);
    case DType::kMXFP4:
      return read_mxfp4(as<BlockMXFP4>(block), codes);
    case DType::kQ2_K:
      return read_q2_k(as<BlockQ2_K>(block), codes);
    case DType::kQ3_K:
      return read_q3_k(as<BlockQ3_K>(block), codes);
    case DType::kQ4_K:
      return read_q45_k<BlockQ4_K>(block, codes);
    case DType::kQ5_K:
      return read_q45_k<BlockQ5_K>(block, codes);
    case DType::kQ6_K:
      return read_q6_k(as<BlockQ6_K>(block), codes);
    case DType::kIQ4_XS:
      return read_iq4_xs(as<BlockIQ4_XS>(block), codes);
    default:
      R1_CHECK(false);
  }
}

}  // namespace r1

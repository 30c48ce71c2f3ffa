// The quantized blocks as GGUF stores them: layouts only; each family's file says what they stand
// for. Little-endian and packed (alignment 1), so a pointer into a mapped file may be cast to them.
// d, m, dmin and the F16 scales are raw bits: quant/half.h reads them. Source: the GGUF
// specification, ggml's block structures.
#pragma once

#include <bit>
#include <cstdint>

namespace r1 {

static_assert(std::endian::native == std::endian::little, "blocks are read in place");

constexpr int kSmallBlock = 32;   // elements of Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL MXFP4
constexpr int kSuperBlock = 256;  // elements of the K-quants and IQ4_XS

struct [[gnu::packed]] BlockQ4_0 {
  uint16_t d;
  uint8_t qs[16];  // byte j: low nibble x[j], high nibble x[j + 16]; value d (q - 8)
};
static_assert(sizeof(BlockQ4_0) == 18);

struct [[gnu::packed]] BlockQ4_1 {
  uint16_t d, m;
  uint8_t qs[16];  // value d q + m
};
static_assert(sizeof(BlockQ4_1) == 20);

struct [[gnu::packed]] BlockQ5_0 {
  uint16_t d;
  uint32_t qh;     // bit j: bit 4 of x[j]
  uint8_t qs[16];  // value d (q - 16)
};
static_assert(sizeof(BlockQ5_0) == 22);

struct [[gnu::packed]] BlockQ5_1 {
  uint16_t d, m;
  uint32_t qh;
  uint8_t qs[16];  // value d q + m
};
static_assert(sizeof(BlockQ5_1) == 24);

struct [[gnu::packed]] BlockQ8_0 {
  uint16_t d;
  int8_t qs[32];  // value d q
};
static_assert(sizeof(BlockQ8_0) == 34);

struct [[gnu::packed]] BlockQ2_K {
  uint8_t scales[16];  // of 16 elements each: low nibble scale, high nibble min
  uint8_t qs[64];    // per half (128): byte l holds x[l], x[l + 32], x[l + 64], x[l + 96] from the
                     // low bits up
  uint16_t d, dmin;  // value d scale q - dmin min
};
static_assert(sizeof(BlockQ2_K) == 84);

struct [[gnu::packed]] BlockQ3_K {
  uint8_t
      hmask[32];   // bit 4 half + s of byte l: set where x[128 half + 32 s + l] has no 4 subtracted
  uint8_t qs[64];  // as Q2_K
  uint8_t
      scales[12];  // 16 of 6 bits: low nibbles in bytes 0-7 (low then high), top bits in bytes 8-11
  uint16_t d;      // value d (scale - 32) q
};
static_assert(sizeof(BlockQ3_K) == 110);

struct [[gnu::packed]] BlockQ4_K {
  uint16_t d, dmin;
  uint8_t scales[12];  // 8 scales and 8 mins of 6 bits, of 32 elements each: see unpack_scale_k4
  uint8_t qs[128];     // per 64 elements 32 bytes: low nibbles the first 32, high nibbles the next
};                     // value d scale q - dmin min
static_assert(sizeof(BlockQ4_K) == 144);

struct [[gnu::packed]] BlockQ5_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];   // bit p of byte l: bit 4 of x[32 p + l]
  uint8_t qs[128];  // as Q4_K
};
static_assert(sizeof(BlockQ5_K) == 176);

struct [[gnu::packed]] BlockQ6_K {
  uint8_t ql[128];    // per half (128) 64 bytes: low nibbles x[0..63], high nibbles x[64..127]
  uint8_t qh[64];     // per half 32 bytes: byte l holds the top two bits of x[l], x[l + 32], x[l +
                      // 64], x[l + 96]
  int8_t scales[16];  // of 16 elements each
  uint16_t d;         // value d scale (q - 32)
};
static_assert(sizeof(BlockQ6_K) == 210);

struct [[gnu::packed]] BlockIQ4_NL {
  uint16_t d;
  uint8_t qs[16];  // Q4_0's order; value d kIQ4Values[q]
};
static_assert(sizeof(BlockIQ4_NL) == 18);

struct [[gnu::packed]] BlockIQ4_XS {
  uint16_t d;
  uint16_t scales_h;    // top two bits of 8 scales
  uint8_t scales_l[4];  // low nibbles
  uint8_t qs[128];      // 8 times Q4_0's order; value d (scale - 32) kIQ4Values[q]
};
static_assert(sizeof(BlockIQ4_XS) == 136);

struct [[gnu::packed]] BlockMXFP4 {
  uint8_t e;       // scale 2^(e - 128)
  uint8_t qs[16];  // Q4_0's order; value scale kMXFP4Values[q]
};
static_assert(sizeof(BlockMXFP4) == 17);

inline constexpr int8_t kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr int8_t kMXFP4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};

// 2^(e - 128) exactly, subnormal for e < 2.
inline float mxfp4_scale(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23);
}

// Scale and min of 32-element group g (0-7) of a Q4_K or Q5_K block.
inline void unpack_scale_k4(const uint8_t* scales, int g, int& scale, int& min) {
  if (g < 4) {
    scale = scales[g] & 63;
    min = scales[g + 4] & 63;
  } else {
    scale = (scales[g + 4] & 15) | (scales[g - 4] >> 6) << 4;
    min = (scales[g + 4] >> 4) | (scales[g] >> 6) << 4;
  }
}

// The inverse, for all 8 groups; every scale and min < 64.
inline void pack_scales_k4(const uint8_t* scales, const uint8_t* mins, uint8_t* packed) {
  for (int g = 0; g < 4; ++g) {
    packed[g] = static_cast<uint8_t>(scales[g] | (scales[g + 4] >> 4) << 6);
    packed[g + 4] = static_cast<uint8_t>(mins[g] | (mins[g + 4] >> 4) << 6);
    packed[g + 8] = static_cast<uint8_t>((scales[g + 4] & 15) | (mins[g + 4] & 15) << 4);
  }
}

// Scale (0-63, less 32 when used) of 16-element group g (0-15) of a Q3_K block.
inline int unpack_scale_q3k(const uint8_t* scales, int g) {
  const int low = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
  return low | ((scales[8 + g % 4] >> (2 * (g / 4))) & 3) << 4;
}

// The inverse, for all 16 groups; scales in -32..31. `packed` is zero.
inline void pack_scales_q3k(const int8_t* scales, uint8_t* packed) {
  for (int g = 0; g < 16; ++g) {
    const int scale = scales[g] + 32;
    packed[g % 8] |= static_cast<uint8_t>((scale & 15) << (g < 8 ? 0 : 4));
    packed[8 + g % 4] |= static_cast<uint8_t>(scale >> 4 << (2 * (g / 4)));
  }
}

// 256 numbers below 4 into the 64 bytes `qs` of Q2_K and Q3_K.
inline void pack_two_bits(const int8_t* q, uint8_t* qs) {
  for (int half = 0; half < 2; ++half) {
    for (int l = 0; l < 32; ++l) {
      const int8_t* at = q + 128 * half + l;
      qs[32 * half + l] = static_cast<uint8_t>(at[0] | at[32] << 2 | at[64] << 4 | at[96] << 6);
    }
  }
}

// Scale (0-63, less 32 when used) of 32-element group g (0-7) of an IQ4_XS block.
inline int unpack_scale_iq4xs(const BlockIQ4_XS& block, int g) {
  const int low = (block.scales_l[g / 2] >> (4 * (g % 2))) & 15;
  return low | ((block.scales_h >> (2 * g)) & 3) << 4;
}

}  // namespace r1

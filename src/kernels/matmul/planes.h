// How rows of block weights are interleaved at load: R rows by 4 elements in a register, the codes
// of 32 elements (a chunk, 8 such registers) kept as compact as in the file, as planes of bits. A
// plane of b bits holds a chunk in b registers: register v has steps v, v + b, v + 2 b ... from the
// low bits up. A block's scales follow its chunks, so that memory is read as one stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cpu.h"
#include "kernels/matmul/codes.h"

namespace r1 {

// One row group, per block: [chunks of codes][d (16 bits) x R, m x R, scales [sub][R], mins [sub /
// 2][R][2]]. `isa` keeps the code of one set's files apart from that of others.
template <DType type, int R, Isa isa>
struct Planes {
  static constexpr Format f = format_of(type);
  static constexpr int kSubs = f.block / f.sub;
  static constexpr int kChunkBytes = 4 * R * (f.low + f.high);
  static constexpr int kScalesAt = f.block / 32 * kChunkBytes;  // within a block
  static constexpr int kScaleAt = R * (f.min ? 4 : 2);          // within a block's scales
  static constexpr int kMinAt = kScaleAt + (f.block == 256 ? kSubs * R : 0);
  static constexpr bool kNibbles = type == DType::kQ2_K;
  static constexpr int kBlockBytes =
      kScalesAt + kMinAt + (f.block == 256 && f.min && !kNibbles ? kSubs * R : 0);

  static size_t bytes(int64_t cols) {
    return static_cast<size_t>((cols / f.block * kBlockBytes + 63) / 64 * 64);
  }

  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    const int64_t n_blocks = cols / f.block;
    std::memset(packed, 0, bytes(cols));
    for (int r = 0; r < n_rows; ++r) {
      auto* block = reinterpret_cast<uint8_t*>(packed);
      for (int64_t b = 0; b < n_blocks; ++b, block += kBlockBytes) {
        Codes codes;
        read_codes(type, rows, codes);
        rows += f.bytes;
        for (int c = 0; c < f.block / 32; ++c) {
          uint8_t* chunk = block + kChunkBytes * c + 4 * r;
          put_plane<f.low, 0>(codes.q + 32 * c, chunk);
          put_plane<f.high, f.low>(codes.q + 32 * c, chunk + 4 * R * f.low);
        }
        put_scales(codes, r, block + kScalesAt);
      }
    }
  }

 private:
  // The bits [at, at + bits) of 32 codes of one row.
  template <int bits, int at>
  static void put_plane(const uint8_t* q, uint8_t* plane) {
    constexpr uint32_t kMask = ((1u << bits) - 1) * 0x01010101u;
    for (int v = 0; v < bits; ++v) {
      uint32_t word = 0;
      for (int j = 0; j * bits < 8; ++j) {
        uint32_t step;
        std::memcpy(&step, q + 4 * (v + bits * j), 4);
        word |= (step >> at & kMask) << (bits * j);
      }
      std::memcpy(plane + 4 * R * v, &word, 4);
    }
  }

  static void put_scales(const Codes& codes, int r, uint8_t* scales) {
    std::memcpy(scales + 2 * r, &codes.d, 2);
    if (f.min) std::memcpy(scales + 2 * (R + r), &codes.m, 2);
    if (f.block != 256) return;
    for (int s = 0; s < kSubs; ++s) {
      uint8_t& scale = scales[kScaleAt + R * s + r];
      scale = static_cast<uint8_t>(codes.scales[s]);
      if (kNibbles) scale = static_cast<uint8_t>(scale | codes.mins[s] << 4);
      if (f.min && !kNibbles) scales[kMinAt + R * s + r] = codes.mins[s];
    }
  }
};

}  // namespace r1

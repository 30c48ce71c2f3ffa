// MXFP4 (OCP microscaling): 32 FP4 e2m1 elements and one power-of-two scale in 17 bytes.
// The table holds twice the FP4 values, so the scale is 2^(e - 128) where the OCP's is 2^(e - 127).
#include "quant/blocks.h"
#include "quant/codecs.h"

namespace r1 {

void decode_mxfp4(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockMXFP4*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const float d = mxfp4_scale(block->e);
    for (size_t j = 0; j < 16; ++j) {
      values[i + j] = d * static_cast<float>(kMXFP4Values[block->qs[j] & 15]);
      values[i + j + 16] = d * static_cast<float>(kMXFP4Values[block->qs[j] >> 4]);
    }
  }
}

}  // namespace r1

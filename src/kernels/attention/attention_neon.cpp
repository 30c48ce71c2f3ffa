// Attention with NEON: four positions or elements in a register; see attention_loop.h.
#include <cstring>

#include "kernels/attention/attention_loop.h"
#include "kernels/exp/exp_neon.h"

namespace r1 {
namespace {

struct V4 {
  using Float = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kValueRegisters = 4;  // of six queries: 24 of the 32 registers
  static constexpr int kLatentTogether = 8;

  R1_INLINE static Float zero() { return vdupq_n_f32(0); }
  R1_INLINE static Float broadcast(float x) { return vdupq_n_f32(x); }
  R1_INLINE static Float load(const float* at) { return vld1q_f32(at); }
  R1_INLINE static Float load_f16(const std::byte* at) {
    return vcvt_f32_f16(vreinterpret_f16_u16(halves(at)));
  }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return vreinterpretq_f32_u32(vshll_n_u16(halves(at), 16));
  }
  R1_INLINE static uint16x4_t halves(const std::byte* at) {
    return vreinterpret_u16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(at)));
  }
  R1_INLINE static void store(float* at, Float x) { vst1q_f32(at, x); }
  R1_INLINE static Float add(Float a, Float b) { return vaddq_f32(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return vmulq_f32(a, b); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return vfmaq_f32(c, a, b); }
  R1_INLINE static Float max(Float a, Float b) { return vmaxq_f32(a, b); }
  R1_INLINE static Float exp2(Float x) { return exp2_neon(x); }
  R1_INLINE static float exp2(float x) { return vgetq_lane_f32(exp2_neon(vdupq_n_f32(x)), 0); }
  R1_INLINE static float sum(Float x) { return vaddvq_f32(x); }
  R1_INLINE static float max(Float x) { return vmaxvq_f32(x); }
  R1_INLINE static uint32x4_t first(int n) {
    constexpr int32_t kLane[] = {0, 1, 2, 3};
    return vcltq_s32(vld1q_s32(kLane), vdupq_n_s32(n));
  }
  R1_INLINE static Float select(uint32x4_t mask, Float a, Float b) { return vbslq_f32(mask, a, b); }
};

using Loop = AttentionLoop<V4>;

}  // namespace

void attention_neon(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                    std::span<const AttentionQuery> queries) {
  if (!Loop::suits(kv)) return attention_ref(kv, scale, pages, first, queries);
  Loop::attend(kv, scale, pages, first, queries);
}

void attention_merge_neon(const KvHead& kv, AttentionSum& sum, float* y, const AttentionSum& later,
                          const float* later_y) {
  if (!Loop::suits(kv)) return attention_merge_ref(kv, sum, y, later, later_y);
  Loop::merge(kv.v_dim, sum, y, later, later_y);
}

void kv_store_neon(const KvHead& kv, int32_t page, int offset, const float* k, const float* v) {
  if (kv.latent() || kv.dtype != DType::kF16) return kv_store_ref(kv, page, offset, k, v);
  auto* keys = reinterpret_cast<uint16_t*>(kv.k + page * kv.page_bytes) + offset;
  auto* values = reinterpret_cast<uint16_t*>(kv.v + page * kv.page_bytes) + offset * kv.v_dim;
  uint16_t halves[4];
  const auto narrow = [&halves](const float* x, int n) {
    vst1_u16(halves, vreinterpret_u16_f16(vcvt_f16_f32(load_first_neon(x, n))));
  };
  for (int d = 0; d < kv.k_dim; d += 4) {
    const int n = std::min(4, kv.k_dim - d);
    narrow(k + d, n);
    for (int i = 0; i < n; ++i) keys[(d + i) * kAttentionTile] = halves[i];
  }
  for (int d = 0; d < kv.v_dim; d += 4) {
    const int n = std::min(4, kv.v_dim - d);
    narrow(v + d, n);
    std::memcpy(values + d, halves, static_cast<size_t>(n) * sizeof(uint16_t));
  }
}

}  // namespace r1

// Attention with NEON: four positions or elements in a register; see attention_loop.h.
#include <cstring>

#include "kernels/attention/attention_loop.h"
#include "kernels/attention/kv_store_loop.h"
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
  R1_INLINE static Float load_i8(const std::byte* at) {
    int32_t codes;
    std::memcpy(&codes, at, 4);
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(codes)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
  }
  R1_INLINE static float f16(const std::byte* at) {
    uint16_t half;
    std::memcpy(&half, at, 2);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
  }
  R1_INLINE static Float keep(Float x) { return x; }
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
  // The sums of lanes of s[0][0], s[0][1], s[1][0] ...: pairs of vectors become one, twice.
  R1_INLINE static void sums(const Float (&s)[8][2], float* to) {
    unroll<4>([&](auto i) R1_INLINE {
      store(to + 4 * i, vpaddq_f32(vpaddq_f32(s[2 * i][0], s[2 * i][1]),
                                   vpaddq_f32(s[2 * i + 1][0], s[2 * i + 1][1])));
    });
  }
  R1_INLINE static float max(Float x) { return vmaxvq_f32(x); }
  R1_INLINE static uint32x4_t first(int n) {
    constexpr int32_t kLane[] = {0, 1, 2, 3};
    return vcltq_s32(vld1q_s32(kLane), vdupq_n_s32(n));
  }
  R1_INLINE static Float select(uint32x4_t mask, Float a, Float b) { return vbslq_f32(mask, a, b); }
};

struct F16 {
  static uint16_t narrow(float x) {
    return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(x))), 0);
  }
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
  KvStoreLoop<F16>::store(kv, page, offset, k, v);
}

}  // namespace r1

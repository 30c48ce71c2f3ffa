#include "format/mix.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace r1 {
namespace {

using enum DType;

constexpr std::array kMixes = {
    Mix{"f32", 0, kF32, kF32, kF32, "exact"},
    Mix{"f16", 1, kF16, kF16, kF16, "half precision"},
    Mix{"bf16", 32, kBF16, kBF16, kBF16, "as most models are published"},
    Mix{"q8_0", 7, kQ8_0, kQ8_0, kQ8_0, "indistinguishable from bf16"},
    Mix{"q6_k", 18, kQ6_K, kQ6_K, kQ6_K, "close to q8_0, three quarters of its size"},
    Mix{"q5_k_m", 17, kQ5_K, kQ6_K, kQ6_K, "5-bit, sensitive tensors 6-bit"},
    Mix{"q5_1", 9, kQ5_1, kQ6_K, kQ5_1, "5-bit, steps and offsets"},
    Mix{"q5_0", 8, kQ5_0, kQ6_K, kQ5_0, "5-bit, steps"},
    Mix{"q4_k_m", 15, kQ4_K, kQ6_K, kQ6_K, "4-bit, sensitive tensors 6-bit: the usual choice"},
    Mix{"q4_1", 3, kQ4_1, kQ6_K, kQ4_1, "4-bit, steps and offsets"},
    Mix{"q4_0", 2, kQ4_0, kQ6_K, kQ4_0, "4-bit, steps"},
    Mix{"q3_k_m", 12, kQ3_K, kQ6_K, kQ4_K, "3-bit, sensitive tensors 4- and 5-bit"},
    Mix{"q2_k", 10, kQ2_K, kQ6_K, kQ3_K,
        "2-bit, sensitive tensors 3-bit: for what else would not fit"},
};

constexpr std::array kCommonMixes = {
    kMixes[1],  kMixes[3],  kMixes[4],
    kMixes[5],  kMixes[8],  Mix{"iq4_xs", 30, kIQ4_XS, kQ6_K, kQ5_K, "4-bit on an uneven grid"},
    kMixes[11], kMixes[12],
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// N of "blk.N.", else -1.
int64_t layer_of(std::string_view name) {
  int64_t layer = -1;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}

// The first and last eighth of the layers, and every third between.
bool needs_more(int64_t layer, int64_t n_layers) {
  const int64_t eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

// Vectors, norms, the router and the rope's divisors are small and decide much.
bool stays_f32(std::string_view name, std::span<const int64_t> shape) {
  return shape.size() < 2 || !name.ends_with(".weight") || name.ends_with("_norm.weight") ||
         contains(name, "ffn_gate_inp.weight") || contains(name, "rope_freqs");
}

// The types of the three kinds of tensor that most mixes treat by themselves.
DType attn_v_type(const Mix& mix, const MixModel& model, int64_t layer) {
  switch (mix.base) {
    case kQ2_K:
      return model.gqa >= 4 ? kQ4_K : kQ3_K;
    case kQ3_K:
      return layer < 2 ? kQ5_K : kQ4_K;
    case kIQ4_XS:
      return model.gqa >= 4 ? kQ5_K : mix.base;
    default:
      return needs_more(layer, model.n_layers) ? mix.more : mix.base;
  }
}

DType ffn_down_type(const Mix& mix, const MixModel& model, int64_t layer) {
  switch (mix.base) {
    case kQ2_K:
      return kQ3_K;
    case kQ3_K:
      return layer < model.n_layers / 16 ? kQ5_K : kQ4_K;
    case kIQ4_XS:  // made with an importance matrix, as published files are
      return mix.base;
    default:
      return needs_more(layer, model.n_layers) ? mix.more : mix.base;
  }
}

DType wanted_type(const Mix& mix, const MixModel& model, std::string_view name,
                  std::span<const int64_t> shape) {
  if (stays_f32(name, shape)) return kF32;
  if (name == "output.weight" || (model.tied && name == "token_embd.weight")) return mix.output;
  const int64_t layer = layer_of(name);
  if (layer < 0) return mix.base;
  if (name.ends_with(".attn_v.weight") || name.ends_with(".attn_kv_b.weight")) {
    const DType type = attn_v_type(mix, model, layer);
    // The 70B Llama: eight heads share one value projection, so it is small and worth more bits.
    return model.n_layers == 80 && (type == kQ4_K || type == kQ3_K) ? kQ5_K : type;
  }
  if (contains(name, ".ffn_down")) return ffn_down_type(mix, model, layer);
  // Q2_K's attn_output gets Q3_K, Q3_K's Q4_K.
  if (name.ends_with(".attn_output.weight") && (mix.base == kQ2_K || mix.base == kQ3_K))
    return mix.more;
  return mix.base;
}

// For rows that are no multiple of the block; llama.cpp takes IQ4_NL, as large as Q4_0, for the
// smallest.
DType next_wider(DType type) {
  switch (type) {
    case kQ2_K:
    case kQ3_K:
    case kIQ4_XS:
      return kQ4_0;
    case kQ4_K:
      return kQ5_0;
    case kQ5_K:
      return kQ5_1;
    case kQ6_K:
      return kQ8_0;
    default:
      return kF16;
  }
}

}  // namespace

std::span<const Mix> all_mixes() { return kMixes; }
std::span<const Mix> common_mixes() { return kCommonMixes; }

Result<const Mix*> find_mix(std::string_view name) {
  std::string lower(name), known;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  for (const Mix& mix : kMixes) {
    if (mix.name == lower) return &mix;
    known += known.empty() ? "" : ", ";
    known += mix.name;
  }
  return error("no type '{}': the types are {}", name, known);
}

TypeChoice choose_type(const Mix& mix, const MixModel& model, std::string_view name,
                       std::span<const int64_t> shape) {
  const DType wanted = wanted_type(mix, model, name, shape);
  DType type = wanted;
  while (shape.back() % info(type).block != 0) type = next_wider(type);
  return {wanted, type};
}

}  // namespace r1

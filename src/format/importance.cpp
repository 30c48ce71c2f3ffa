#include "format/importance.h"

#include <algorithm>
#include <cmath>

namespace r1 {
namespace {

constexpr size_t kGroup = 32;  // weights whose size is compared

struct Feed {
  std::string_view matrix, norm;  // between "blk.N." and ".weight"
};

constexpr Feed kFeeds[] = {
    {"attn_q", "attn_norm"},         {"attn_k", "attn_norm"},        {"attn_v", "attn_norm"},
    {"attn_q_a", "attn_norm"},       {"attn_kv_a_mqa", "attn_norm"}, {"attn_q_b", "attn_q_a_norm"},
    {"attn_kv_b", "attn_kv_a_norm"}, {"attn_v_b", "attn_kv_a_norm"}, {"ffn_gate", "ffn_norm"},
    {"ffn_up", "ffn_norm"},          {"ffn_gate_exps", "ffn_norm"},  {"ffn_up_exps", "ffn_norm"},
    {"ffn_gate_shexp", "ffn_norm"},  {"ffn_up_shexp", "ffn_norm"},
};

}  // namespace

std::string input_norm(std::string_view tensor, bool tied) {
  constexpr std::string_view kWeight = ".weight";
  if (tensor == "output.weight" || (tied && tensor == "token_embd.weight")) {
    return "output_norm.weight";
  }
  const size_t layer_end = tensor.find('.', 4);
  if (!tensor.starts_with("blk.") || !tensor.ends_with(kWeight) ||
      layer_end + 1 + kWeight.size() > tensor.size()) {
    return "";
  }
  const std::string_view layer = tensor.substr(0, layer_end + 1);
  const std::string_view matrix =
      tensor.substr(layer.size(), tensor.size() - layer.size() - kWeight.size());
  for (const Feed& feed : kFeeds) {
    if (feed.matrix == matrix) {
      return std::string(layer) + std::string(feed.norm) + std::string(kWeight);
    }
  }
  return "";
}

void weigh(std::span<const float> values, std::span<const float> norm, size_t cols,
           float* importance) {
  for (size_t group = 0; group < values.size(); group += kGroup) {
    const size_t end = std::min(group + kGroup, values.size());
    float squares = 0;
    for (size_t i = group; i < end; ++i) squares += values[i] * values[i];
    const float rms = std::sqrt(squares / static_cast<float>(end - group));
    for (size_t i = group; i < end; ++i) {
      importance[i] = rms > 0 ? 1 + std::fabs(values[i]) / rms : 1;
    }
  }
  if (norm.empty()) return;
  for (size_t i = 0; i < values.size(); ++i) {
    const float g = norm[i % cols];
    importance[i] *= g * g;
  }
}

}  // namespace r1

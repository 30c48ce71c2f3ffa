// A small random DeepSeek-V3 as GGUF in each of the layouts that exist: experts in groups, a dense
// first layer, YaRN, a layer of multi-token prediction.
#pragma once

#include "tests/golden/random_model.h"

namespace r1 {

// Where W^UK and W^UV are: in one matrix; apart, W^UK transposed; the same flattened to two
// dimensions; or both.
enum class KvLayout { kOne, kSplit, kFlat, kBoth };

struct RandomDeepSeek {
  DType type = DType::kF32;
  KvLayout layout = KvLayout::kSplit;
  DType k_b_type = DType::kF32;  // of W^UK apart: the values of W^UK in `type`, transposed
};

class RandomDeepSeekFile {
 public:
  explicit RandomDeepSeekFile(const RandomDeepSeek& model)
      : type(model.type), layout(model.layout), k_b_type(model.k_b_type) {}

  std::string write(const std::string& path) {
    add("token_embd.weight", {kVocab, kDim});
    add("output_norm.weight", {kDim});
    add("output.weight", {kVocab, kDim});
    for (int i = 0; i <= kLayers; ++i) add_layer(i);
    std::vector<GgufTensor> infos;
    for (const auto& t : tensors_) infos.push_back(t.info);
    GgufWriter writer = must(GgufWriter::create(path, metadata(), infos));
    for (const auto& t : tensors_) must(writer.write(t.bytes));
    must(writer.finish());
    return path;
  }

 private:
  static constexpr int kDim = 256, kHeads = 4, kRank = 256, kNope = 64, kRope = 32, kV = 64;
  static constexpr int kLayers = 2, kExperts = 8, kInter = 256, kVocab = 40;

  struct Stored {
    GgufTensor info;
    std::vector<std::byte> bytes;
  };

  // A stream of random numbers for each name, so that all layouts hold the same weights.
  static uint64_t stream(const std::string& name) { return std::hash<std::string>()(name) >> 8; }

  void put(const std::string& name, DType dtype, std::vector<int64_t> shape,
           std::vector<std::byte> bytes) {
    tensors_.push_back({{name, dtype, std::move(shape)}, std::move(bytes)});
  }

  void add(const std::string& name, const std::vector<int64_t>& shape) {
    size_t n = 1;
    for (const int64_t size : shape) n *= static_cast<size_t>(size);
    const bool plain = shape.size() == 1 || name.ends_with("ffn_gate_inp.weight");
    const DType dtype = plain ? DType::kF32 : type;
    put(name, dtype, shape, random_blocks(dtype, stream(name), n));
  }

  void add_up(const std::string& block) {
    constexpr int64_t kRows = kHeads * (kNope + kV);
    const auto kv_b = random_blocks(type, stream(block + "kv_b"), kRows * kRank);
    if (layout == KvLayout::kOne || layout == KvLayout::kBoth)
      put(block + "attn_kv_b.weight", type, {kRows, kRank}, kv_b);
    if (layout == KvLayout::kOne) return;
    std::vector<float> values(kRows * kRank), k_b;
    info(type).decode(kv_b.data(), values.data(), values.size());
    const size_t row_bytes = kv_b.size() / kRows;
    std::vector<std::byte> v_b;
    for (int h = 0; h < kHeads; ++h) {
      const size_t first = static_cast<size_t>(h) * (kNope + kV);
      for (size_t c = 0; c < kRank; ++c) {
        for (size_t j = 0; j < kNope; ++j) k_b.push_back(values[(first + j) * kRank + c]);
      }
      const auto v = kv_b.begin() + static_cast<std::ptrdiff_t>((first + kNope) * row_bytes);
      v_b.insert(v_b.end(), v, v + static_cast<std::ptrdiff_t>(kV * row_bytes));
    }
    const auto n = k_b.size();
    std::vector<std::byte> k_bytes(n / static_cast<size_t>(info(k_b_type).block) *
                                   static_cast<size_t>(info(k_b_type).block_bytes));
    info(k_b_type).encode(k_b.data(), k_bytes.data(), n, nullptr);
    const bool flat = layout == KvLayout::kFlat;
    using Shape = std::vector<int64_t>;
    put(block + "attn_k_b.weight", k_b_type,
        flat ? Shape{kHeads * kRank, kNope} : Shape{kHeads, kRank, kNope}, std::move(k_bytes));
    put(block + "attn_v_b.weight", type,
        flat ? Shape{kHeads * kV, kRank} : Shape{kHeads, kV, kRank}, std::move(v_b));
  }

  void add_mlp(const std::string& block, const char* kind, int64_t n) {
    const auto shape = [n](int64_t rows, int64_t cols) {
      return n > 1 ? std::vector<int64_t>{n, rows, cols} : std::vector<int64_t>{rows, cols};
    };
    add(fmt::format("{}ffn_gate{}.weight", block, kind), shape(kInter, kDim));
    add(fmt::format("{}ffn_up{}.weight", block, kind), shape(kInter, kDim));
    add(fmt::format("{}ffn_down{}.weight", block, kind), shape(kDim, kInter));
  }

  void add_layer(int i) {
    const std::string block = fmt::format("blk.{}.", i);
    for (const char* norm : {"attn_norm", "attn_q_a_norm", "attn_kv_a_norm", "ffn_norm"})
      add(block + norm + ".weight", {kDim});
    add(block + "attn_q_a.weight", {kDim, kDim});
    add(block + "attn_q_b.weight", {kHeads * (kNope + kRope), kDim});
    add(block + "attn_kv_a_mqa.weight", {kRank + kRope, kDim});
    add_up(block);
    add(block + "attn_output.weight", {kDim, kHeads * kV});
    if (i == 0) return add_mlp(block, "", 1);
    add(block + "ffn_gate_inp.weight", {kExperts, kDim});
    add(block + "exp_probs_b.bias", {kExperts});
    add_mlp(block, "_exps", kExperts);
    add_mlp(block, "_shexp", 1);
    if (i < kLayers) return;
    for (const char* norm : {"enorm", "hnorm", "shared_head_norm"})
      add(block + "nextn." + norm + ".weight", {kDim});
    add(block + "nextn.eh_proj.weight", {kDim, 2 * kDim});
  }

  GgufMetadata metadata() const {
    GgufMetadata m = {{"general.architecture", std::string("deepseek2")}};
    const auto whole = [&](const char* key, int n) {
      m.emplace_back(std::string("deepseek2.") + key, static_cast<uint32_t>(n));
    };
    const auto number = [&](const char* key, float x) {
      m.emplace_back(std::string("deepseek2.") + key, x);
    };
    whole("embedding_length", kDim);
    whole("feed_forward_length", kInter);
    whole("block_count", kLayers + 1);
    whole("nextn_predict_layers", 1);
    whole("context_length", 512);
    whole("attention.head_count", kHeads);
    number("attention.layer_norm_rms_epsilon", 1e-6f);
    whole("attention.q_lora_rank", kDim);
    whole("attention.kv_lora_rank", kRank);
    const bool old = layout == KvLayout::kOne;
    whole("attention.head_count_kv", old ? kHeads : 1);
    whole("attention.key_length", old ? kNope + kRope : kRank + kRope);
    whole("attention.value_length", old ? kV : kRank);
    if (!old) whole("attention.key_length_mla", kNope + kRope);
    if (!old) whole("attention.value_length_mla", kV);
    whole("rope.dimension_count", kRope);
    m.emplace_back("deepseek2.rope.scaling.type", std::string("yarn"));
    number("rope.scaling.factor", 4);
    whole("rope.scaling.original_context_length", 128);
    number("rope.scaling.yarn_log_multiplier", 0.1f);
    whole("leading_dense_block_count", 1);
    whole("expert_count", kExperts);
    whole("expert_used_count", 2);
    whole("expert_shared_count", 1);
    whole("expert_feed_forward_length", kInter);
    whole("expert_group_count", 4);
    whole("expert_group_used_count", 2);
    whole("expert_gating_func", 2);
    number("expert_weights_scale", 2.5f);
    m.emplace_back("deepseek2.expert_weights_norm", true);
    return m;
  }

  const DType type;
  const KvLayout layout;
  const DType k_b_type;
  std::vector<Stored> tensors_;
};

// Returns `path`.
inline std::string write_random(const RandomDeepSeek& model, const std::string& path) {
  return RandomDeepSeekFile(model).write(path);
}

}  // namespace r1

// A model's sizes without its weights: what `r1 synth` writes, `r1 fit` reckons with, conversion
// names tensors by and parameters are counted by. From a shape follow the names and shapes of all
// tensors. Known shapes: the six distills of DeepSeek-R1, R1 itself, and smaller ones (shapes.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/gguf_writer.h"
#include "format/weight_file.h"

namespace r1 {

// What DeepSeek-V2 and V3 have beside: latent attention, experts, multi-token prediction.
struct DeepSeekShape {
  int64_t q_lora_rank;  // 0: queries are not compressed
  int64_t kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
  int64_t n_dense_layers;  // the first ones, without experts
  int64_t n_routed_experts, n_activated_experts, n_shared_experts, moe_inter_dim;
  int64_t n_expert_groups, n_limited_groups;
  bool sigmoid;        // scores by sigmoid; else by softmax
  bool score_bias;     // added for the choice of experts alone
  bool norm_weights;   // of the chosen experts, to sum to 1
  double route_scale;  // of the routed experts' sum
  int64_t n_mtp_layers;
};

struct ModelShape {
  std::string name, architecture;  // "r1-distill-qwen-7b", GGUF's "qwen2"
  int64_t n_layers, dim, n_heads, n_kv_heads, head_dim, inter_dim, vocab_size;
  double rope_theta, norm_eps;  // 0 where the file does not say
  int64_t context_length;       // 0 where the file does not say
  bool tied = false;            // the embedding serves as head
  bool llama3_rope = false;     // a tensor of rope divisors
  bool qkv_bias = false, o_bias = false, mlp_bias = false, qk_norm = false;
  std::optional<DeepSeekShape> deepseek{};
};

std::span<const ModelShape> known_shapes();
Result<const ModelShape*> find_shape(std::string_view name);  // the error lists the names

// From a GGUF file's keys or from config.json: llama, qwen2, qwen3, deepseek_v2, deepseek_v3.
// Errors name the key, its value and what is allowed; within these limits sizes and bytes of all
// tensors fit into 63 bits.
Result<ModelShape> read_shape(const WeightFile& file);

// Query heads per key head that GGUF knows of: latent attention caches one.
inline int64_t gqa(const ModelShape& s) { return s.n_heads / (s.deepseek ? 1 : s.n_kv_heads); }

struct ShapeTensor {
  std::string name;            // GGUF's
  std::vector<int64_t> shape;  // row-major
  uint64_t elements() const;
};

// Every tensor as today's GGUF files name them: keys' and values' decompression split (attn_k_b,
// attn_v_b), experts stacked, multi-token prediction in blocks after the others.
std::vector<ShapeTensor> shape_tensors(const ModelShape& shape);

// The architecture's keys that say this shape in GGUF; RoPE's scaling is not among them.
GgufMetadata shape_metadata(const ModelShape& shape);

}  // namespace r1

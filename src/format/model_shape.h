// A model's sizes without its weights: what `r1 synth` writes, `r1 fit` reckons with and parameters
// are counted by. Known shapes: the six distills of DeepSeek-R1, R1 itself, and smaller ones for
// benchmarks and tests (shapes.cpp). From a shape follow the names and shapes of all tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/gguf_writer.h"

namespace r1 {

// What DeepSeek-V2 and V3 have beside: latent attention, experts, multi-token prediction.
struct DeepSeekShape {
  int64_t q_lora_rank;  // 0: queries are not compressed
  int64_t kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
  int64_t n_dense_layers;  // the first ones, without experts
  int64_t n_routed_experts, n_activated_experts, n_shared_experts, moe_inter_dim;
  int64_t n_expert_groups, n_limited_groups;
  bool sigmoid;        // scores by sigmoid, chosen with a bias; else by softmax
  bool norm_weights;   // of the chosen experts, to sum to 1
  double route_scale;  // of the routed experts' sum
  double mscale;       // of YaRN, which stretches 4096 positions by 40
  int64_t n_mtp_layers;
};

struct ModelShape {
  std::string name, architecture;  // "r1-distill-qwen-7b", GGUF's "qwen2"
  int64_t n_layers, dim, n_heads, n_kv_heads, head_dim, inter_dim, vocab_size;
  double rope_theta, norm_eps;
  int64_t context_length;
  bool tied = false;         // the embedding serves as head
  bool llama3_rope = false;  // Llama 3.1's scaling: factor 8, low 1, high 4, original context 8192
  std::optional<DeepSeekShape> deepseek{};
};

std::span<const ModelShape> known_shapes();
Result<const ModelShape*> find_shape(std::string_view name);  // the error lists the names

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

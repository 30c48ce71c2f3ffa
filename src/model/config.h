// A model's hyper-parameters in the words of DeepSeek-V3's ModelArgs (plus n_kv_heads, head_dim),
// and the Reader that takes them from a file. Every number comes from the file; a feature is a
// field, never guessed from a size.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"
#include "kernels/rope/rope.h"

namespace r1 {

enum class RopeScaling : uint8_t { kNone, kLinear, kYarn, kLlama3 };

// 0.1 m ln(factor) + 1 (YaRN, eq. 22); 1 where factor <= 1.
double yarn_scale(double factor, double m);

struct RopeConfig {
  RopeLayout layout = RopeLayout::kHalves;
  double theta = 10000;
  int64_t dim = 0;  // elements of a head that are rotated: two a pair
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  int64_t original_context = 0;
  double beta_fast = 32,
         beta_slow = 1;  // YaRN: turns within the original context where the ramp ends and begins
  bool truncate = true;  // YaRN: the ramp's ends are whole pairs
  double attention_factor = 1;                       // YaRN: multiplies cos and sin
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  double mscale_all_dim = 0;                         // YaRN in MLA: scales the softmax; 0: not
  std::vector<float>
      divisors;  // of each pair's frequency [dim / 2]; GGUF's rope_freqs.weight, empty: none
};

// Multi-head latent attention (DeepSeek-V2, section 2.1).
struct MlaConfig {
  int64_t q_lora_rank = 0;   // of the compressed query; 0: none
  int64_t kv_lora_rank = 0;  // of what keys and values are made from; 0: the model has no MLA
  int64_t qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
};

enum class GateScore : uint8_t { kSoftmax, kSigmoid };
// How a group of experts is judged: by its best, or by the sum of its best two.
enum class GroupScore : uint8_t { kMax, kTopTwo };

// DeepSeekMoE (DeepSeek-V3, section 2.1.2).
struct MoeConfig {
  int64_t n_routed_experts = 0;  // 0: every layer is dense
  int64_t n_activated_experts = 0, n_shared_experts = 0, moe_inter_dim = 0;
  int64_t n_dense_layers = 0;  // the first layers
  int64_t layer_freq = 1;      // of the layers after them, those whose number it divides
  int64_t n_expert_groups = 1, n_limited_groups = 1;
  GateScore score = GateScore::kSoftmax;
  GroupScore group_score = GroupScore::kMax;
  bool gate_bias = false;       // added to the scores that choose, not to those that weigh
  bool norm_topk_prob = false;  // the chosen weights sum to 1
  double route_scale = 1;

  bool is_moe(int64_t layer) const {
    return n_routed_experts > 0 && layer >= n_dense_layers && layer % layer_freq == 0;
  }
};

struct Config {
  std::string architecture;  // "qwen2"
  int64_t dim = 0, inter_dim = 0, n_layers = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0;
  int64_t vocab_size = 0;      // rows of embedding and head, padding included
  int64_t context_length = 0;  // tokens the model was made for
  double norm_eps = 0;
  RopeConfig rope;
  bool tied = false;  // the head is the embedding
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;  // RMSNorm of each query and key head before RoPE
  MlaConfig mla;
  MoeConfig moe;
  int64_t n_mtp_layers = 0;  // multi-token prediction, beyond n_layers (DeepSeek-V3, section 2.2)
};

// Reads the settings of one architecture by their GGUF key (without "arch.") and Hugging Face key;
// "" where a container has none. The first error is kept and the rest is still read, so that a
// model's `read` is a plain list.
class Reader {
 public:
  Reader(const WeightFile& file, std::string architecture);

  bool gguf() const { return file_.container() == Container::kGguf; }
  const WeightFile& file() const { return file_; }

  // Required; an absent key is an error.
  void read(int64_t& field, std::string_view gguf_key, std::string_view hf_key);
  void read(double& field, std::string_view gguf_key, std::string_view hf_key);
  // Absent: `otherwise`.
  void read(int64_t& field, std::string_view gguf_key, std::string_view hf_key, int64_t otherwise);
  void read(double& field, std::string_view gguf_key, std::string_view hf_key, double otherwise);
  void read(bool& field, std::string_view gguf_key, std::string_view hf_key, bool otherwise);
  void read(std::string& field, std::string_view gguf_key, std::string_view hf_key,
            std::string_view otherwise);

  // Records an error unless one is recorded already.
  void fail(Error e);
  // The error, if any; or a setting of the architecture (GGUF) or of its RoPE scaling that nobody
  // read.
  Result<void> finish() const;

 private:
  template <class T>
  void get(T& field, std::string_view gguf_key, std::string_view hf_key, const T* otherwise);

  const WeightFile& file_;
  std::string architecture_;
  std::set<std::string, std::less<>> seen_;
  std::optional<Error> error_;
};

// What every decoder has: sizes, norm, activation, tied head. Refuses another activation than silu.
void read_sizes(Reader& r, Config& c);
// RoPE over `dim` elements of a head, unless the file says otherwise, and its scaling. Refuses
// dynamic scaling.
void read_rope(Reader& r, Config& c, int64_t dim);
// What every dense decoder has: sizes, heads, RoPE over whole heads, attention window. Refuses by
// name what no model here computes: values of another length than keys, a window really in use.
void read_decoder(Reader& r, Config& c);

// Sizes are positive, divide as they must, and are no larger than the file's tensors can justify.
// Without tensors (weights are drawn) they are only limited.
Result<void> check(const Config& c, const WeightFile& file, bool without_tensors = false);

}  // namespace r1

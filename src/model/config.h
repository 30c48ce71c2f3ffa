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
  std::vector<float>
      divisors;  // of each pair's frequency [dim / 2]; GGUF's rope_freqs.weight, empty: none
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

// What every dense decoder has: sizes, norm, RoPE with its scaling, activation, tied head,
// attention window. Refuses by name what no model here computes: another activation, dynamic RoPE,
// a window really in use.
void read_decoder(Reader& r, Config& c);

// Sizes are positive, divide as they must, and are no larger than the file's tensors can justify.
Result<void> check(const Config& c, const WeightFile& file);

}  // namespace r1

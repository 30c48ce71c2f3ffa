// A model whose chat template and tokenizer are real, and whose weights are all zero: it finds
// every token as likely as any other, so that it says what a grammar makes it say, and else noise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>

#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace r1 {

// A Hugging Face folder at `path`; false where the data is absent.
inline bool make_tool_model(const std::string& path, const std::string& chat_template,
                            const std::string& tokenizer, const char* bos = nullptr,
                            const char* eos = "<|im_end|>") {
  using Json = nlohmann::ordered_json;
  const std::string source = find_test_data("templates/" + chat_template + ".jinja");
  const std::string packed = find_test_data("tokenizers/" + tokenizer + "/tokenizer.json.gz");
  if (source.empty() || packed.empty()) return false;
  std::filesystem::create_directories(path);
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(path + "/" + name, std::ios::binary) << text;
  };
  const std::string tokenizer_json = read_test_file(packed);
  const int64_t vocab = Tokenizer::from_json(tokenizer_json)->size(), dim = 32, inter = 64;
  write("tokenizer.json", tokenizer_json);
  write("tokenizer_config.json", Json{{"chat_template", read_test_file(source)},
                                      {"bos_token", bos ? Json(bos) : Json()},
                                      {"eos_token", eos}}
                                     .dump());
  write("config.json", Json{{"architectures", {"LlamaForCausalLM"}},
                            {"model_type", "llama"},
                            {"hidden_size", dim},
                            {"intermediate_size", inter},
                            {"num_hidden_layers", 1},
                            {"num_attention_heads", 2},
                            {"num_key_value_heads", 2},
                            {"head_dim", dim / 2},
                            {"hidden_act", "silu"},
                            {"max_position_embeddings", 8192},
                            {"rms_norm_eps", 1e-6},
                            {"rope_theta", 10000.0},
                            {"tie_word_embeddings", true},
                            {"torch_dtype", "bfloat16"},
                            {"vocab_size", vocab}}
                           .dump());
  Json header = Json::object();
  int64_t end = 0;
  const auto tensor = [&](const std::string& name, const std::vector<int64_t>& shape) {
    const int64_t n = std::accumulate(shape.begin(), shape.end(), int64_t{2}, std::multiplies<>());
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {end, end + n}}};
    end += n;
  };
  const std::string layer = "model.layers.0.";
  tensor("model.embed_tokens.weight", {vocab, dim});
  tensor("model.norm.weight", {dim});
  tensor(layer + "input_layernorm.weight", {dim});
  tensor(layer + "post_attention_layernorm.weight", {dim});
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"})
    tensor(layer + "self_attn." + name + ".weight", {dim, dim});
  for (const char* name : {"gate_proj", "up_proj"})
    tensor(layer + "mlp." + name + ".weight", {inter, dim});
  tensor(layer + "mlp.down_proj.weight", {dim, inter});
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();  // little-endian, as this machine is
  write("model.safetensors", std::string(reinterpret_cast<const char*>(&size), 8) + text);
  std::filesystem::resize_file(path + "/model.safetensors", 8 + size + static_cast<uint64_t>(end));
  return true;
}

}  // namespace r1

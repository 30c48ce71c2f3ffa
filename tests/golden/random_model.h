// A small random llama in a file: every matrix of one type, valid blocks for every type, encoders
// or not.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/rng.h"
#include "format/gguf_writer.h"
#include "format/safetensors_writer.h"
#include "tests/support/must.h"

namespace r1 {

struct RandomTensor {
  std::string gguf, hf;
  std::vector<int64_t> shape;
};

// dim 256 (a whole super-block), 8 heads of 32 over 2 key/value heads, a vocabulary of 40, an
// untied head.
inline std::vector<RandomTensor> random_llama_tensors(int n_layers) {
  std::vector<RandomTensor> all = {{"token_embd.weight", "model.embed_tokens.weight", {40, 256}},
                                   {"output_norm.weight", "model.norm.weight", {256}},
                                   {"output.weight", "lm_head.weight", {40, 256}}};
  for (int i = 0; i < n_layers; ++i) {
    const RandomTensor layer[] = {{"attn_norm.weight", "input_layernorm.weight", {256}},
                                  {"attn_q.weight", "self_attn.q_proj.weight", {256, 256}},
                                  {"attn_k.weight", "self_attn.k_proj.weight", {64, 256}},
                                  {"attn_v.weight", "self_attn.v_proj.weight", {64, 256}},
                                  {"attn_output.weight", "self_attn.o_proj.weight", {256, 256}},
                                  {"ffn_norm.weight", "post_attention_layernorm.weight", {256}},
                                  {"ffn_gate.weight", "mlp.gate_proj.weight", {256, 256}},
                                  {"ffn_up.weight", "mlp.up_proj.weight", {256, 256}},
                                  {"ffn_down.weight", "mlp.down_proj.weight", {256, 256}}};
    for (const RandomTensor& t : layer) {
      all.push_back({fmt::format("blk.{}.{}", i, t.gguf),
                     fmt::format("model.layers.{}.{}", i, t.hf), t.shape});
    }
  }
  return all;
}

// n random values as blocks of `type`: encoded where we can, else random bytes that stand for
// moderate numbers.
inline std::vector<std::byte> random_blocks(DType type, uint64_t stream, size_t n) {
  const DTypeInfo& t = info(type);
  const auto block = static_cast<size_t>(t.block), bytes = static_cast<size_t>(t.block_bytes);
  std::vector<std::byte> out(n / block * bytes);
  std::vector<float> values(std::max(n, block));
  if (t.encode) {
    for (size_t i = 0; i < n; ++i) values[i] = static_cast<float>(0.1 * normal(7, stream, i));
    t.encode(values.data(), out.data(), n, nullptr);
    return out;
  }
  uint64_t counter = 0;
  for (size_t at = 0; at < out.size(); at += bytes) {
    for (float top = 0; !(top > 1e-3f && top < 2.0f);) {
      for (size_t i = 0; i < bytes; i += 16, ++counter) {
        const auto random = philox4x32(
            {static_cast<uint32_t>(counter), static_cast<uint32_t>(stream), 1, 2}, {3, 4});
        std::memcpy(&out[at + i], random.data(), std::min<size_t>(16, bytes - i));
      }
      t.decode(&out[at], values.data(), block);
      top = 0;
      for (size_t i = 0; i < block; ++i)
        top = std::isfinite(values[i]) ? std::max(top, std::fabs(values[i])) : 1e9f;
    }
  }
  return out;
}

// Writes the model under `folder` and returns what to open: a GGUF file, or a folder for F8E4M3.
inline std::string write_random_llama(const std::string& folder, DType type, int n_layers) {
  const bool gguf = info(type).gguf_id >= 0;
  const auto tensors = random_llama_tensors(n_layers);
  std::vector<std::vector<std::byte>> data;
  std::vector<TensorInfo> stored;
  const auto add = [&](const std::string& tensor_name, DType dtype,
                       const std::vector<int64_t>& shape) {
    size_t n = 1;
    for (const int64_t size : shape) n *= static_cast<size_t>(size);
    data.push_back(random_blocks(dtype, data.size(), n));
    stored.push_back({tensor_name, dtype, shape, data.back()});
  };
  for (const RandomTensor& t : tensors) {
    const bool vector = t.shape.size() == 1;
    add(gguf ? t.gguf : t.hf, vector ? DType::kF32 : type, t.shape);
    if (type != DType::kF8E4M3 || vector) continue;
    add(t.hf + "_scale_inv", DType::kF32, {(t.shape[0] + 127) / 128, (t.shape[1] + 127) / 128});
  }
  if (!gguf) {
    must(write_safetensors(folder + "/model.safetensors", stored));
    must(write_file(folder + "/config.json",
                    fmt::format(R"({{"model_type": "llama", "hidden_size": 256,
      "intermediate_size": 256, "num_hidden_layers": {}, "num_attention_heads": 8, "num_key_value_heads": 2,
      "vocab_size": 40, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "hidden_act": "silu",
      "quantization_config": {{"quant_method": "fp8", "weight_block_size": [128, 128]}}}})",
                                n_layers)));
    return folder;
  }
  const std::string path = fmt::format("{}/{}.gguf", folder, info(type).name);
  std::vector<GgufTensor> infos;
  for (const TensorInfo& t : stored) infos.push_back({t.name, t.dtype, t.shape});
  GgufWriter writer =
      must(GgufWriter::create(path,
                              {{"general.architecture", std::string("llama")},
                               {"llama.embedding_length", uint32_t{256}},
                               {"llama.feed_forward_length", uint32_t{256}},
                               {"llama.block_count", static_cast<uint32_t>(n_layers)},
                               {"llama.attention.head_count", uint32_t{8}},
                               {"llama.attention.head_count_kv", uint32_t{2}},
                               {"llama.context_length", uint32_t{512}},
                               {"llama.attention.layer_norm_rms_epsilon", 1e-5f}},
                              infos));
  for (const auto& bytes : data) must(writer.write(bytes));
  must(writer.finish());
  return path;
}

}  // namespace r1

// Models of a known shape with random weights: what a benchmark needs of a model, without the
// download. Shapes: the six distills of DeepSeek-R1, SmolLM2-135M, and one small enough for tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/threads.h"
#include "format/mix.h"

namespace r1 {

struct SynthShape {
  std::string_view name, architecture;  // "r1-distill-qwen-7b", GGUF's "qwen2"
  int64_t n_layers, dim, n_heads, n_kv_heads, head_dim, inter_dim, vocab_size;
  double rope_theta, norm_eps;
  int64_t context_length;
  bool tied;         // the embedding serves as head
  bool llama3_rope;  // Llama 3.1's scaling: factor 8, low 1, high 4, original context 8192
};

std::span<const SynthShape> synth_shapes();
Result<const SynthShape*> find_synth_shape(std::string_view name);  // the error lists the names

// Bytes of all tensors of the shape in the mix.
uint64_t synth_bytes(const SynthShape& shape, const Mix& mix);

// Writes the model as GGUF. Weights are N(0, 0.02), norms 1: chunks of 256 values, drawn by (seed,
// tensor, chunk) from 1024 that are generated and encoded once, so that writing runs at the speed
// of the disk. The tokenizer knows the 256 bytes and an end token; the rest of the vocabulary is
// unused padding. The same bytes come out for any number of threads. Returns the size of the file.
Result<uint64_t> write_synthetic(const SynthShape& shape, const Mix& mix, uint64_t seed,
                                 const std::string& path, ThreadPool& threads,
                                 FunctionRef<void(uint64_t done, uint64_t total)> progress);

}  // namespace r1

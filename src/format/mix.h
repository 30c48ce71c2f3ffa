// The mixes people quantize to: which type each tensor of a model gets. The choices are
// llama.cpp's, so a file of ours is as large as one of theirs; only the encoders differ. Source:
// llama.cpp's llama-quant, checked against published files of known byte counts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "quant/dtype.h"

namespace r1 {

struct Mix {
  std::string_view name;  // "q4_k_m"
  uint32_t file_type;     // general.file_type
  DType base;             // of most matrices
  DType output;           // of the head (the embedding where they are one)
  DType more;             // of attn_v and ffn_down in the layers that need more bits
  std::string_view note;
};

std::span<const Mix> all_mixes();                    // that r1 writes
Result<const Mix*> find_mix(std::string_view name);  // any case; the error lists the names
std::span<const Mix> common_mixes();  // that people publish, from large to small; some only read

// What the mix depends on beside the tensor.
struct MixModel {
  int64_t n_layers;
  bool tied;    // no output.weight
  int64_t gqa;  // query heads per key head; latent attention has one key head
};

struct TypeChoice {
  DType wanted;  // by the mix
  DType type;    // what the width allows: see next_wider()
};

// `name` as GGUF has it, `shape` row-major.
TypeChoice choose_type(const Mix& mix, const MixModel& model, std::string_view name,
                       std::span<const int64_t> shape);

}  // namespace r1

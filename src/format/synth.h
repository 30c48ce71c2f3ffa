// Models of a known shape with random weights: what a benchmark needs of a model, without the
// download.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/threads.h"
#include "format/mix.h"
#include "format/model_shape.h"

namespace r1 {

// Bytes of all tensors of the shape in the mix.
uint64_t synth_bytes(const ModelShape& shape, const Mix& mix);

// Writes the model as GGUF. Weights are N(0, 0.02), norms 1: chunks of 256 values, drawn by (seed,
// tensor, chunk) from 1024 that are generated and encoded once, so that writing runs at the speed
// of the disk. The tokenizer knows the 256 bytes and an end token; the rest of the vocabulary is
// unused padding. The same bytes come out for any number of threads. Returns the size of the file.
Result<uint64_t> write_synthetic(const ModelShape& shape, const Mix& mix, uint64_t seed,
                                 const std::string& path, ThreadPool& threads,
                                 FunctionRef<void(uint64_t done, uint64_t total)> progress);

}  // namespace r1

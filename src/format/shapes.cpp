// The table of known shapes. Sources: the models' config.json files.
#include <fmt/format.h>

#include "format/model_shape.h"

namespace r1 {
namespace {

// clang-format off
const std::vector<ModelShape>& table() {
  static const std::vector<ModelShape> shapes = {
      // name                   arch     layers  dim heads kv   hd  inter   vocab    theta   eps   context  tied  llama3 qkv bias
      {"tiny",                  "llama",  2,  256,  4,   2,  64,   512,    512,   10000, 1e-5,   2048, true,  false, false},
      {"smollm2-135m",          "llama", 30,  576,  9,   3,  64,  1536,  49152,  100000, 1e-5,   8192, true,  false, false},
      {"r1-distill-qwen-1.5b",  "qwen2", 28, 1536, 12,   2, 128,  8960, 151936,   10000, 1e-6, 131072, false, false, true},
      {"r1-distill-qwen-7b",    "qwen2", 28, 3584, 28,   4, 128, 18944, 152064,   10000, 1e-6, 131072, false, false, true},
      {"r1-distill-llama-8b",   "llama", 32, 4096, 32,   8, 128, 14336, 128256,  500000, 1e-5, 131072, false, true, false},
      {"r1-distill-qwen-14b",   "qwen2", 48, 5120, 40,   8, 128, 13824, 152064, 1000000, 1e-5, 131072, false, false, true},
      {"r1-distill-qwen-32b",   "qwen2", 64, 5120, 40,   8, 128, 27648, 152064, 1000000, 1e-5, 131072, false, false, true},
      {"r1-distill-llama-70b",  "llama", 80, 8192, 64,   8, 128, 28672, 128256,  500000, 1e-5, 131072, false, true, false},
      //                                                                                                       qkv bias, o, mlp, qk norm
      //                     q_lora kv_lora nope rope v  dense exp used shared ff  groups  sigmoid bias norm   scale mtp
      {"tiny-deepseek",     "deepseek2",  3,  256,  4,   4,  96,   512,    512,   10000, 1e-6, 163840, false, false, false, false, false, false,
       DeepSeekShape{             256, 256,  64, 32,  64, 1,   8, 2, 1,  256, 4, 2, true,  true,  true,  2.5, 1}},
      {"deepseek-v3-2b",    "deepseek2",  4, 2048, 16,  16, 192, 10944,  32256,   10000, 1e-6, 163840, false, false, false, false, false, false,
       DeepSeekShape{             768, 512, 128, 64, 128, 1,  64, 6, 2, 1408, 1, 1, true,  true,  true,  2.5, 0}},
      {"deepseek-v2-lite",  "deepseek2", 27, 2048, 16,  16, 192, 10944, 102400,   10000, 1e-6, 163840, false, false, false, false, false, false,
       DeepSeekShape{               0, 512, 128, 64, 128, 1,  64, 6, 2, 1408, 1, 1, false, false, false, 1.0, 0}},
      {"deepseek-r1",       "deepseek2", 61, 7168, 128, 128, 192, 18432, 129280,  10000, 1e-6, 163840, false, false, false, false, false, false,
       DeepSeekShape{            1536, 512, 128, 64, 128, 3, 256, 8, 1, 2048, 8, 4, true,  true,  true,  2.5, 0}},
  };
  return shapes;
}
// clang-format on

}  // namespace

std::span<const ModelShape> known_shapes() { return table(); }

Result<const ModelShape*> find_shape(std::string_view name) {
  std::string known;
  for (const ModelShape& shape : table()) {
    if (shape.name == name) return &shape;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", shape.name);
  }
  return error("no shape '{}': the shapes are {}", name, known);
}

}  // namespace r1

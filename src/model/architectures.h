// The architectures, one file each; registry.cpp is the list.
#pragma once

#include <memory>

#include "model/decoder.h"

namespace r1 {

std::unique_ptr<Decoder> make_deepseek_v3();
std::unique_ptr<Decoder> make_llama();
std::unique_ptr<Decoder> make_qwen2();
std::unique_ptr<Decoder> make_qwen3();

}  // namespace r1

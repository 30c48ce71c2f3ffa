// The settings of DeepSeek-V2, V3 and R1.
#pragma once

#include "model/config.h"

namespace r1 {

// Refuses by name what is not known: another gate score, another way to choose experts, biases.
void read_deepseek(Reader& r, Config& c);

}  // namespace r1

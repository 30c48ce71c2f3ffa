// What tells two models apart, wherever their files lie: XXH3-128 of the tensors.
#pragma once

#include <string>

#include "format/weight_file.h"

namespace r1 {

// Of every tensor in the order of names: its name, type and shape, its bytes. The same for one file
// and for shards of it; 32 hexadecimal digits. Reads all of the file.
std::string weights_hash(const WeightFile& file);

}  // namespace r1

// What tells two sets of weights apart, wherever and in whatever files they lie: XXH3-128 of the
// tensors, at the speed of reading, for the notes of a run. It is no proof against forgery: a trace
// keeps the files' own SHA-256 (serve/weight_hash.h).
#pragma once

#include <string>

#include "format/weight_file.h"

namespace r1 {

// Of every tensor in the order of names: its name, type and shape, its bytes. The same for one file
// and for shards of it; 32 hexadecimal digits. Reads all of the file.
std::string weights_hash(const WeightFile& file);

}  // namespace r1

// The small model that comes with r1.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

// Its folder: beside an installed program, or in the source it was built from. Says on standard
// error that this is the model, and how another is named: "r1 run FILE.gguf or r1 run FOLDER".
Result<std::string> default_model(std::string_view another);

}  // namespace r1

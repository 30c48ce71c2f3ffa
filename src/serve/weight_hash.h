// Which weights a model is, for those who read a trace: SHA-256 of its file, or of the list of its
// files, which nobody can forge and any tool can check. What a run of training or evaluation notes
// is format/weights_hash.h.
#pragma once

#include <string>

#include "base/error.h"

namespace r1 {

class TraceLog;

// Of one file as sha256sum prints it. Of several, a GGUF in parts or a Hugging Face folder, of the
// lines "hash  name\n" of those that decide tokens, by name. Read whole once, then known to the log
// by the files' sizes and times.
Result<std::string> weight_hash(const std::string& path, TraceLog& known);

}  // namespace r1

// Rewrites a checkpoint as a GGUF file in another mix of types. Streams: rows are decoded, checked,
// encoded by all threads and written in slabs, and a tensor's mapped pages are given back, so
// memory stays within the largest tensor whatever the model. The same bytes come out for any number
// of threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/threads.h"
#include "format/mix.h"
#include "format/weight_file.h"

namespace r1 {

struct QuantizeSummary {
  struct Share {
    uint64_t tensors = 0, bytes = 0;
  };
  std::map<DType, Share> types;
  std::map<std::pair<DType, DType>, std::vector<std::string>>
      fallbacks;  // (wanted, written) -> tensors
  uint64_t parameters = 0;
  uint64_t tensor_bytes = 0, file_bytes = 0;
  double bits_per_weight() const {
    return 8.0 * static_cast<double>(tensor_bytes) / static_cast<double>(parameters);
  }
};

// Weights done so far, and in all.
using QuantizeProgress = FunctionRef<void(uint64_t done, uint64_t total)>;

// Refuses tensors that hold NaN, infinity, or numbers the type cannot hold, naming tensor and
// element; `out` then does not appear.
Result<QuantizeSummary> quantize(const WeightFile& in, const std::string& out, const Mix& mix,
                                 ThreadPool& threads, QuantizeProgress progress);

}  // namespace r1

#include "format/weights_hash.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/checksum.h"

namespace r1 {

std::string weights_hash(const WeightFile& file) {
  std::vector<const TensorInfo*> tensors;
  for (const TensorInfo& t : file.tensors()) tensors.push_back(&t);
  std::ranges::sort(tensors, {}, &TensorInfo::name);
  Checksum sum;
  for (const TensorInfo* t : tensors) {
    const std::string head = fmt::format("{} {} {}\n", t->name, info(t->dtype).name, t->shape);
    sum.add(std::as_bytes(std::span(head)));
    sum.add(t->bytes);
    file.drop_pages(*t);
  }
  return sum.hex();
}

}  // namespace r1

#include "format/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "format/safetensors.h"

namespace r1 {

Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors) {
  return write_safetensors(path, tensors, [](std::span<const std::byte>) {});
}

Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                               FunctionRef<void(std::span<const std::byte>)> written) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  uint64_t end = 0;
  for (const TensorInfo& t : tensors) {
    uint64_t elements = 1;
    for (const int64_t size : t.shape) elements *= static_cast<uint64_t>(size);
    R1_CHECK(info(t.dtype).block == 1 && stored_bytes(t.dtype, 1, elements) == t.bytes.size());
    R1_CHECK(!header.contains(t.name));
    header[t.name] = {{"dtype", info(t.dtype).name},
                      {"shape", t.shape},
                      {"data_offsets", {end, end + t.bytes.size()}}};
    end += t.bytes.size();
  }
  std::string json = header.dump();
  json.resize((json.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  R1_CHECK(json.size() <= kSafetensorsHeaderLimit);
  const uint64_t length = json.size();

  R1_TRY(auto file, AtomicFile::create(path));
  const auto write = [&](std::span<const std::byte> bytes) {
    written(bytes);
    return file.write(bytes);
  };
  R1_DO(write(std::as_bytes(std::span(&length, 1))));
  R1_DO(write(std::as_bytes(std::span(json))));
  for (const TensorInfo& t : tensors) R1_DO(write(t.bytes));
  return file.commit();
}

}  // namespace r1

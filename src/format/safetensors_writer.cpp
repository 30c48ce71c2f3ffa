#include "format/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "format/safetensors.h"

namespace r1 {

Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors) {
  return write_safetensors(
      path, tensors, [&](size_t i) { return tensors[i].bytes; }, [](std::span<const std::byte>) {});
}

Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                               FunctionRef<std::span<const std::byte>(size_t i)> bytes_of,
                               FunctionRef<void(std::span<const std::byte>)> written) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::vector<uint64_t> sizes;
  uint64_t end = 0;
  for (const TensorInfo& t : tensors) {
    uint64_t elements = 1;
    for (const int64_t size : t.shape) elements *= static_cast<uint64_t>(size);
    const auto bytes = stored_bytes(t.dtype, 1, elements);
    R1_CHECK(info(t.dtype).block == 1 && bytes && !header.contains(t.name));
    header[t.name] = {
        {"dtype", info(t.dtype).name}, {"shape", t.shape}, {"data_offsets", {end, end + *bytes}}};
    sizes.push_back(*bytes);
    end += *bytes;
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
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::span<const std::byte> bytes = bytes_of(i);
    R1_CHECK(bytes.size() == sizes[i]);
    R1_DO(write(bytes));
  }
  return file.commit();
}

}  // namespace r1

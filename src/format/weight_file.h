// One view of a checkpoint, whatever it was stored as: typed metadata and named tensors, mapped not
// read. gguf.h and safetensors.h produce it; model/binder and cli/show consume it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "quant/dtype.h"

namespace r1 {

struct TensorInfo {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;        // row-major, outermost first, as torch prints it: [out, in]
  std::span<const std::byte> bytes;  // into the mapping
};

struct MetaArray;
// Metadata values; GGUF keys as they are, config.json flattened with dots ("rope_scaling.factor").
// JSON's null is an absent key; an array's objects are flattened by index ("chat_template.0.name").
using MetaValue =
    std::variant<bool, int64_t, uint64_t, double, std::string, std::shared_ptr<const MetaArray>>;
struct MetaArray {
  // One of these, by element type. Strings point into the mapping, or into what this array keeps
  // alive; nested and mixed arrays are kept as values.
  std::variant<std::vector<bool>, std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
               std::vector<std::string_view>, std::vector<MetaValue>>
      items;
};

using Metadata = std::vector<std::pair<std::string, MetaValue>>;

// What the parser of one file finds in it.
struct FileContents {
  Metadata metadata;
  std::vector<TensorInfo> tensors;
};

enum class Container { kGguf, kSafetensors };

class WeightFile {
 public:
  // Opens a GGUF file (any shard of a split), a safetensors file, a Hugging Face folder, or its
  // config.json alone. A folder without weights opens too, with no tensors.
  static Result<WeightFile> open(const std::string& path);

  // The same for one file that is in memory already, told apart like files: "GGUF" at its start, or
  // a name that ends in .json, else safetensors. Borrows `bytes`.
  static Result<WeightFile> from_memory(const std::string& name, std::span<const std::byte> bytes);

  // The same with these tensors instead of its own, which stay valid. Borrows their bytes.
  Result<WeightFile> with_tensors(std::vector<TensorInfo> tensors) const;

  Container container() const;
  const std::string& path() const;
  uint64_t file_bytes() const;  // all shards
  bool mapped() const;  // tensors' bytes come back from the file when their pages are dropped

  std::span<const TensorInfo> tensors() const;  // in file order
  const TensorInfo* find(std::string_view name) const;
  // The tensor's bytes are not needed for now: what is mapped leaves this process's memory.
  void drop_pages(const TensorInfo& tensor) const;

  // Metadata in file order, and by key. GGUF: its key-values. Hugging Face: config.json (flattened,
  // one spelling per fact: see hf_config.h); the other JSON files under the prefixes
  // "generation_config." and "tokenizer_config.".
  std::span<const std::pair<std::string, MetaValue>> metadata() const;
  const MetaValue* meta(std::string_view key) const;

  // Typed access: nullopt where the key is absent, an error naming key, type and value where it
  // does not fit.
  Result<std::optional<int64_t>> integer(std::string_view key) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::optional<std::string>> text(std::string_view key) const;

  // Hugging Face folders: the raw text of a file beside the weights ("tokenizer.json"), "" where
  // absent.
  Result<std::string> side_file(std::string_view name, uint64_t limit) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace r1

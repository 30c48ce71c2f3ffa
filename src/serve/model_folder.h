// The folder of --models as Ollama's clients change it: names made of others (NAME.r1.json beside
// the models), copies, deletions, and files that were sent as blobs. Nothing outside it is touched:
// a name is a file's name and never a path.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "serve/shelf.h"

namespace r1 {

// "name" of "name:latest"; an error for what cannot be a file's name.
Result<std::string> model_name(std::string_view given);
// The 64 digits of "sha256:..."; an error for anything else.
Result<std::string> blob_digest(std::string_view given);

// What NAME.r1.json says, checked: {"from", "system", "parameters"}.
Result<MadeFrom> read_made_from(const nlohmann::ordered_json& json);

class ModelFolder {
 public:
  // "": there is none, and every change is refused.
  explicit ModelFolder(std::string path) : path_(std::move(path)) {}

  bool any() const { return !path_.empty(); }
  Result<void> make(const std::string& name, const MadeFrom& from) const;
  // From a blob, which must be a .gguf file of a model.
  Result<void> make_from_blob(const std::string& name, const std::string& digest) const;
  Result<void> copy(const ShelfItem& item, const std::string& name) const;
  Result<void> remove(const ShelfItem& item) const;

  bool has_blob(const std::string& digest) const;
  // Refuses bytes of another digest.
  Result<void> add_blob(const std::string& digest, std::string_view bytes) const;

 private:
  std::string file(const std::string& name, const char* ending) const;
  std::string blob(const std::string& digest) const;
  bool holds(const ShelfItem& item) const;

  std::string path_;
};

}  // namespace r1

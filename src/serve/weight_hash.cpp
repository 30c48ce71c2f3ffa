#include "serve/weight_hash.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "base/file.h"
#include "serve/digest.h"
#include "serve/file_stamp.h"
#include "serve/trace_log.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 64 << 20;  // its pages are given back once they are counted

// "m-00001-of-00003.gguf": all its parts; a folder: what decides tokens; else the file.
std::vector<fs::path> parts(const fs::path& path) {
  std::error_code failure;
  std::vector<fs::path> files;
  const std::string name = path.filename().string();
  const size_t of = name.find("-of-");
  const bool folder = fs::is_directory(path, failure);
  if (!folder && (of == name.npos || of < 5)) return {path};
  const std::set<fs::path> kinds{".safetensors", ".json", ".jinja", ".model"};
  for (const auto& entry : fs::directory_iterator(folder ? path : path.parent_path(), failure)) {
    const std::string other = entry.path().filename().string();
    const bool wanted = folder ? kinds.contains(entry.path().extension())
                               : other.size() == name.size() &&
                                     other.compare(0, of - 5, name, 0, of - 5) == 0 &&
                                     other.substr(of) == name.substr(of);
    if (wanted && entry.is_regular_file(failure)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Result<std::string> file_hash(const std::string& path) {
  R1_TRY(const MappedFile file, MappedFile::open(path));
  Sha256 sum;
  for (auto left = file.bytes(); !left.empty();) {
    const auto chunk = left.first(std::min(left.size(), kChunk));
    sum.add(chunk);
    drop_pages(chunk);
    left = left.subspan(chunk.size());
  }
  return sum.finish();
}

}  // namespace

Result<std::string> weight_hash(const std::string& path, TraceLog& known) {
  std::error_code failure;
  const fs::path whole = fs::canonical(path, failure);
  if (failure) return error("{}: {}", path, failure.message());
  const std::vector<fs::path> files = parts(whole);
  std::string stamp;
  for (const fs::path& file : files) {
    const std::string own = file_stamp(file.string());
    if (own.empty()) return error("{}: cannot be read", file.string());
    stamp += fmt::format("{} {}\n", file.filename().string(), own);
  }
  R1_TRY(std::string hash, known.known_hash(whole.string(), stamp));
  if (!hash.empty()) return hash;
  std::string list;
  for (const fs::path& file : files) {
    R1_TRY(hash, file_hash(file.string()));
    list += fmt::format("{}  {}\n", hash, file.filename().string());
  }
  if (files.size() != 1) hash = sha256(list);
  R1_DO(known.know_hash(whole.string(), stamp, hash));
  return hash;
}

}  // namespace r1

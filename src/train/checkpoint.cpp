#include "train/checkpoint.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "train/manifest.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Folders that are no checkpoints: one that is being written, one on its way out.
constexpr std::string_view kSaving = ".saving-", kRemoving = ".removing-";
constexpr std::string_view kDamaged = ".damaged";  // after the name of one that is
constexpr std::string_view kManifest = "/manifest.json";

std::string name_of(int64_t step) { return fmt::format("step-{}", step); }

// The step that a folder's name says; none where it is another folder.
std::optional<int64_t> step_of(std::string_view name) {
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  int64_t step = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (failed != std::errc() || end != name.data() + name.size() || step < 0) return {};
  return step;
}

// Under another name first: half of a checkpoint is none.
Result<void> retire(const std::string& folder, const std::string& name) {
  const std::string leaving = fmt::format("{}/{}{}", folder, kRemoving, name);
  R1_DO(remove_folder(leaving));
  R1_DO(rename_folder(folder + "/" + name, leaving));
  return remove_folder(leaving);
}

Result<Manifest> read_manifest(const std::string& folder) {
  R1_TRY(const std::string text, read_file(folder + std::string(kManifest), kManifestLimit));
  auto manifest = parse_manifest(text);
  if (!manifest) return std::move(manifest).error().in(folder + std::string(kManifest));
  return manifest;
}

// The files that names FILE/NAME ask for, in order of their first tensor.
std::vector<std::pair<std::string, std::vector<TensorInfo>>> by_file(
    std::span<const TensorInfo> tensors) {
  std::vector<std::pair<std::string, std::vector<TensorInfo>>> files;
  for (const TensorInfo& t : tensors) {
    const size_t slash = t.name.find('/');
    R1_CHECK(slash != std::string::npos && slash > 0);
    const std::string name = t.name.substr(0, slash) + ".safetensors";
    auto file = std::ranges::find(files, name, [](const auto& f) { return f.first; });
    if (file == files.end()) file = files.insert(files.end(), {name, {}});
    file->second.push_back(t);
    file->second.back().name = t.name.substr(slash + 1);
  }
  return files;
}

Result<void> write_checkpoint(const std::string& folder, Manifest manifest,
                              std::span<const TensorInfo> tensors) {
  R1_DO(make_folder(folder));
  for (const auto& [name, of_file] : by_file(tensors)) {
    Checksum sum;
    Manifest::File file{name, 0, ""};
    const auto bytes_of = [&tensors = of_file](size_t i) { return tensors[i].bytes; };
    R1_DO(write_safetensors(folder + "/" + name, of_file, bytes_of,
                            [&](std::span<const std::byte> bytes) {
                              sum.add(bytes);
                              file.bytes += bytes.size();
                            }));
    file.checksum = sum.hex();
    manifest.files.push_back(std::move(file));
  }
  R1_TRY(const std::string text, manifest_text(manifest));
  return write_file(folder + std::string(kManifest), text);
}

Result<void> load_file(const std::string& folder, const Manifest::File& file,
                       LoadedCheckpoint& loaded) {
  const std::string path = folder + "/" + file.name;
  R1_TRY(MappedFile mapped, MappedFile::open(path));
  if (mapped.bytes().size() != file.bytes) {
    return error("{}: it has {} bytes, the manifest says {}", path, mapped.bytes().size(),
                 file.bytes);
  }
  Checksum sum;
  sum.add(mapped.bytes());
  if (sum.hex() != file.checksum)
    return error("{}: damaged: its checksum is {}, not {}", path, sum.hex(), file.checksum);
  auto contents = parse_safetensors(mapped.bytes());
  if (!contents) return std::move(contents).error().in(path);
  const std::string prefix = file.name.substr(0, file.name.find('.')) + "/";
  for (TensorInfo& t : contents->tensors) {
    t.name = prefix + t.name;
    loaded.state.tensors.push_back(std::move(t));
  }
  loaded.files.push_back(std::make_shared<const MappedFile>(std::move(mapped)));
  return {};
}

template <class T>
Result<T> get(const StateValues& values, std::string_view name, std::string_view kind) {
  const auto found = values.find(std::string(name));
  if (found == values.end()) return error("the checkpoint says no {}", name);
  const T* value = std::get_if<T>(&found->second);
  if (!value) return error("the checkpoint's {} is no {}", name, kind);
  return *value;
}

}  // namespace

const TensorInfo* SavedState::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &TensorInfo::name);
  return found == tensors.end() ? nullptr : &*found;
}

Result<void> SavedState::copy(std::string_view name, std::span<float> to) const {
  const TensorInfo* t = find(name);
  if (!t) return error("the checkpoint has no tensor {}", name);
  if (t->dtype != DType::kF32 || t->bytes.size() != to.size_bytes()) {
    return error("the checkpoint's {} has {} bytes of {}, {} F32 values expected", name,
                 t->bytes.size(), info(t->dtype).name, to.size());
  }
  if (!to.empty()) std::memcpy(to.data(), t->bytes.data(), to.size_bytes());
  return {};
}

Result<int64_t> SavedState::integer(std::string_view name) const {
  return get<int64_t>(values, name, "integer");
}

Result<std::string> SavedState::text(std::string_view name) const {
  return get<std::string>(values, name, "text");
}

TensorInfo state_tensor(std::string name, std::vector<int64_t> shape,
                        std::span<const float> values) {
  return {std::move(name), DType::kF32, std::move(shape), std::as_bytes(values)};
}

TensorInfo state_tensor(std::string name, std::span<const int32_t> values) {
  return {std::move(name), DType::kI32, {std::ssize(values)}, std::as_bytes(values)};
}

Result<LoadedCheckpoint> load_checkpoint(const std::string& folder) {
  R1_TRY(Manifest manifest, read_manifest(folder));
  LoadedCheckpoint loaded;
  loaded.entry = {manifest.step, manifest.score, folder};
  for (const Manifest::File& file : manifest.files) R1_DO(load_file(folder, file, loaded));
  loaded.state.values = std::move(manifest.values);
  return loaded;
}

Result<std::vector<CheckpointEntry>> list_checkpoints(const std::string& folder) {
  std::vector<CheckpointEntry> entries;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (!step_of(entry.path().filename().string())) continue;
    const auto manifest = read_manifest(entry.path());
    if (manifest) entries.push_back({manifest->step, manifest->score, entry.path()});
  }
  if (failed) return error("cannot read {}: {}", folder, failed.message());
  std::ranges::sort(entries, {}, &CheckpointEntry::step);
  return entries;
}

Result<CheckpointStore> CheckpointStore::open(const std::string& folder, const Policy& policy,
                                              Warn warn) {
  R1_CHECK(policy.last >= 1 && policy.best >= 0);
  R1_DO(make_folder(folder));
  const std::string path = folder + "/.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return error("cannot open {}: {}", path, std::strerror(errno));
  const std::shared_ptr<const int> lock(new const int(fd), [](const int* descriptor) {
    ::close(*descriptor);
    delete descriptor;
  });
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return error(
        "{}: another run is writing its checkpoints here: wait for it, or choose another "
        "folder",
        folder);
  }
  std::vector<std::string> leftovers;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kSaving) || name.starts_with(kRemoving)) leftovers.push_back(entry.path());
  }
  if (failed) return error("cannot read {}: {}", folder, failed.message());
  for (const std::string& leftover : leftovers) R1_DO(remove_folder(leftover));
  return CheckpointStore(folder, policy, std::move(warn), lock);
}

Result<void> CheckpointStore::save(int64_t step, std::optional<double> score,
                                   const SavedState& state) {
  R1_CHECK(step >= 0);
  if (score && !std::isfinite(*score)) score.reset();
  const std::string name = name_of(step), path = folder_ + "/" + name;
  const std::string saving = fmt::format("{}/{}{}", folder_, kSaving, name);
  R1_DO(remove_folder(saving));
  const auto written = write_checkpoint(
      saving, {.step = step, .score = score, .values = state.values, .files = {}}, state.tensors);
  if (!written) {
    (void)remove_folder(saving);  // what is wrong has been said
    return error("cannot save the checkpoint of step {} (those before it are whole): {}", step,
                 written.error().message);
  }
  R1_DO(replace_folder(saving, path));
  return prune();
}

Result<void> CheckpointStore::prune() {
  R1_TRY(auto entries, list_checkpoints(folder_));
  std::set<int64_t> kept;
  for (auto e = entries.rbegin(); e != entries.rend() && std::ssize(kept) < policy_.last; ++e)
    kept.insert(e->step);
  std::vector<CheckpointEntry> scored;
  std::ranges::copy_if(entries, std::back_inserter(scored),
                       [](const CheckpointEntry& e) { return e.score.has_value(); });
  std::ranges::sort(scored, [](const CheckpointEntry& a, const CheckpointEntry& b) {
    return std::pair(*a.score, a.step) > std::pair(*b.score, b.step);
  });
  for (int64_t i = 0; i < std::min(policy_.best, std::ssize(scored)); ++i)
    kept.insert(scored[static_cast<size_t>(i)].step);
  for (const CheckpointEntry& e : entries)
    if (!kept.contains(e.step)) R1_DO(retire(folder_, name_of(e.step)));
  return {};
}

Result<std::optional<LoadedCheckpoint>> CheckpointStore::load_newest() {
  std::vector<int64_t> steps;
  size_t n_damaged = 0;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    const fs::path& path = entry.path();
    if (const auto step = step_of(path.filename().string())) steps.push_back(*step);
    n_damaged += path.extension() == kDamaged;
  }
  if (failed) return error("cannot read {}: {}", folder_, failed.message());
  std::ranges::sort(steps, std::greater());
  for (const int64_t step : steps) {
    const std::string path = folder_ + "/" + name_of(step), aside = path + std::string(kDamaged);
    auto loaded = load_checkpoint(path);
    if (loaded && loaded->entry.step == step) return std::optional(*std::move(loaded));
    warn_(loaded ? fmt::format("{}: its manifest is of step {}", path, loaded->entry.step)
                 : loaded.error().message);
    R1_DO(remove_folder(aside));
    R1_DO(rename_folder(path, aside));
    warn_(fmt::format("the checkpoint is now {}; the one before it is used", aside));
  }
  if (!steps.empty() || n_damaged > 0)
    return error("{}: no checkpoint is whole: remove the folder to start again", folder_);
  return std::optional<LoadedCheckpoint>();
}

}  // namespace r1

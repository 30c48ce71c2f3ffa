#include "serve/shelf.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/units.h"
#include "serve/fields.h"
#include "serve/model_folder.h"

namespace r1 {

namespace fs = std::filesystem;

namespace {

bool is_folder(const fs::path& path) {
  std::error_code failure;
  return fs::exists(path / "config.json", failure);
}

std::string name_of(const fs::path& path) {
  const fs::path file = path.has_filename() ? path : path.parent_path();
  return file.extension() == ".gguf" ? file.stem().string() : file.filename().string();
}

Result<ShelfItem> made_item(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const auto json = parse_object(text.str());
  if (const auto* problem = std::get_if<Problem>(&json))
    return error("{}: {}", path.string(), problem->message);
  auto made = read_made_from(std::get<nlohmann::ordered_json>(json));
  if (!made) return std::move(made).error().in(path.string());
  R1_TRY(ShelfItem item, shelf_item(path.string()));
  item.name = path.filename().string();
  item.name.resize(item.name.size() - std::string_view(kMadeFromEnding).size());
  item.made = std::make_shared<MadeFrom>(*std::move(made));
  return item;
}

}  // namespace

Result<ShelfItem> shelf_item(const std::string& path) {
  std::error_code failure;
  const fs::path p = fs::absolute(path, failure).lexically_normal();
  if (!fs::exists(p, failure)) return error("{}: there is no such file or folder", path);
  ShelfItem item{.name = name_of(p), .path = path};
  if (fs::is_regular_file(p, failure)) {
    item.bytes = fs::file_size(p, failure);
  } else {
    for (const auto& file : fs::directory_iterator(p, failure))
      if (file.path().extension() == ".safetensors") item.bytes += file.file_size(failure);
  }
  const auto changed = fs::last_write_time(p, failure);
  const auto system = std::chrono::file_clock::to_sys(changed);
  item.modified =
      std::chrono::duration_cast<std::chrono::seconds>(system.time_since_epoch()).count();
  return item;
}

Result<std::vector<ShelfItem>> shelf_items(const std::string& folder) {
  std::error_code failure;
  if (!fs::is_directory(folder, failure))
    return error("--models {}: there is no such folder", folder);
  std::vector<ShelfItem> items;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with('.')) continue;
    if (file.ends_with(kMadeFromEnding)) {
      R1_TRY(auto item, made_item(entry.path()));
      items.push_back(std::move(item));
      continue;
    }
    const bool later_part = entry.path().stem().string().find("-of-") != std::string::npos &&
                            entry.path().stem().string().find("-00001-of-") == std::string::npos;
    if ((entry.path().extension() == ".gguf" && !later_part) || is_folder(entry.path())) {
      R1_TRY(auto item, shelf_item(entry.path().string()));
      items.push_back(std::move(item));
    }
  }
  std::ranges::sort(items, {}, &ShelfItem::name);
  return items;
}

Shelf::Shelf(std::vector<ShelfItem> items, Open open, ShelfOptions options)
    : all_(items.begin(), items.end()),
      open_(std::move(open)),
      options_(std::move(options)),
      state_(std::make_shared<State>()) {
  for (const ShelfItem& item : all_) offered_.push_back(&item);
  worker_ = std::thread([this] { work(); });
}

std::vector<const ShelfItem*> Shelf::items() const {
  const std::lock_guard lock(names_);
  return offered_;
}

Result<void> Shelf::refresh() {
  if (options_.folder.empty()) return {};
  R1_TRY(auto found, shelf_items(options_.folder));
  std::vector<const ShelfItem*> gone;
  {
    const std::lock_guard lock(names_);
    std::vector<const ShelfItem*> before = std::exchange(offered_, {});
    for (const ShelfItem* item : before)
      if (item->kept) offered_.push_back(item);
    for (ShelfItem& item : found) {
      const auto same = std::ranges::find_if(before, [&](const ShelfItem* old) {
        return !old->kept && old->path == item.path && old->modified == item.modified &&
               old->bytes == item.bytes && !item.made;
      });
      offered_.push_back(same != before.end() ? *same : &all_.emplace_back(std::move(item)));
    }
    for (const ShelfItem* item : before)
      if (std::ranges::find(offered_, item) == offered_.end()) gone.push_back(item);
  }
  const std::lock_guard lock(state_->mutex);
  for (const ShelfItem* item : gone)
    if (const auto place = state_->places.find(item); place != state_->places.end())
      place->second.keep = 0;  // put back once nobody uses it
  return {};
}

const ShelfItem* Shelf::weights(const ShelfItem& item) const {
  return item.made ? find(item.made->from) : &item;
}

Shelf::~Shelf() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  worker_.join();
  std::map<const ShelfItem*, Place> places;
  {
    const std::lock_guard lock(state_->mutex);
    places.swap(state_->places);
  }
}  // models end here, and tell their listeners, with no lock held

const ShelfItem* Shelf::find(std::string_view name) const {
  const auto offered = items();
  if (offered.empty()) return nullptr;
  for (const ShelfItem* item : offered)
    if (item->name == name) return item;
  if (name == "deepseek-reasoner" || name == "deepseek-chat") return offered[0];
  constexpr std::string_view kLatest = ":latest";
  return name.ends_with(kLatest) ? find(name.substr(0, name.size() - kLatest.size())) : nullptr;
}

// With the lock held.
Lease Shelf::lend(Place& place, bool to_use) {
  ++place.leases;
  if (to_use) place.used = Clock::now();
  ServedModel* model = place.model.get();
  return Lease(model, [state = state_, to_use](ServedModel* m) {
    const std::lock_guard lock(state->mutex);
    for (auto& [item, p] : state->places) {
      if (p.model.get() != m) continue;
      --p.leases;
      if (to_use) p.used = Clock::now();
    }
    state->wake.notify_all();
  });
}

void Shelf::open(const ShelfItem& named, std::optional<double> keep_seconds, Ready ready) {
  const ShelfItem* whose = weights(named);
  if (!whose || whose->made)
    return ready(error("{} is made from {}, which is gone", named.name, named.made->from));
  const ShelfItem& item = *whose;
  std::unique_lock lock(state_->mutex);
  auto [it, fresh] = state_->places.try_emplace(&item);
  Place& place = it->second;
  if (fresh) place.keep = item.kept ? -1 : options_.keep_seconds;
  if (keep_seconds && !item.kept) place.keep = *keep_seconds;
  if (place.model) {
    Lease lease = lend(place);
    lock.unlock();
    return ready(std::move(lease));
  }
  place.waiting.push_back(std::move(ready));
  if (place.waiting.size() == 1) state_->wanted.push_back(&item);
  state_->wake.notify_all();
}

std::vector<Shelf::Loaded> Shelf::loaded() {
  const std::lock_guard lock(state_->mutex);
  std::vector<Loaded> all;
  for (auto& [item, place] : state_->places) {
    if (!place.model) continue;
    const double idle = std::chrono::duration<double>(Clock::now() - place.used).count();
    all.push_back(
        {item, lend(place, false), place.keep < 0 ? -1 : std::max(place.keep - idle, 0.0)});
  }
  return all;
}

void Shelf::work() {
  std::unique_lock lock(state_->mutex);
  while (!state_->stop) {
    put_back(lock);
    if (state_->wanted.empty()) {
      state_->wake.wait_for(lock, std::chrono::milliseconds(500));
      continue;
    }
    const ShelfItem* item = state_->wanted.front();
    state_->wanted.pop_front();
    auto opened = load(lock, *item);
    Place& place = state_->places[item];
    std::vector<Ready> waiting = std::exchange(place.waiting, {});
    std::vector<Result<Lease>> answers;
    if (opened) {
      place.model = *std::move(opened);
      for (size_t i = 0; i < waiting.size(); ++i) answers.emplace_back(lend(place));
    } else {
      for (size_t i = 0; i < waiting.size(); ++i) answers.emplace_back(opened.error());
      state_->places.erase(item);
    }
    lock.unlock();
    for (size_t i = 0; i < waiting.size(); ++i) waiting[i](std::move(answers[i]));
    answers.clear();
    waiting.clear();
    lock.lock();
  }
}

// Without the lock while it takes long.
Result<std::unique_ptr<ServedModel>> Shelf::load(std::unique_lock<std::mutex>& lock,
                                                 const ShelfItem& item) {
  lock.unlock();
  const auto failed = [&](const Error& e) {
    if (options_.failed) options_.failed(e.message);
    lock.lock();
    return error("{} cannot be loaded now", item.name);
  };
  uint64_t memory = 0;
  if (options_.memory > 0) {
    const auto room = options_.room(item.path);
    if (!room) return failed(room.error());
    lock.lock();
    R1_TRY(memory, make_room(lock, item, *room));
    lock.unlock();
  }
  try {
    auto opened = open_(item.path, memory);
    if (!opened) return failed(opened.error());
    lock.lock();
    return opened;
  } catch (const std::exception& e) {
    return failed(error("{}", e.what()));
  }
}

// Puts idle models back, the longest unused first, until there is room; none where that would not
// do. Gives what this one may take.
Result<uint64_t> Shelf::make_room(std::unique_lock<std::mutex>& lock, const ShelfItem& item,
                                  const ModelRoom& room) {
  for (;;) {
    uint64_t used = 0, held = 0;  // the latter by models that have to stay
    std::string who;
    auto oldest = state_->places.end();
    for (auto it = state_->places.begin(); it != state_->places.end(); ++it) {
      const Place& place = it->second;
      if (!place.model) continue;
      const uint64_t bytes = place.model->memory();
      used += bytes;
      if (place.leases > 0 || it->first->kept) {
        held += bytes;
        who += fmt::format("{}{} ({})", who.empty() ? " beside " : ", ", it->first->name,
                           format_bytes(bytes));
      } else if (oldest == state_->places.end() || place.used < oldest->second.used) {
        oldest = it;
      }
    }
    uint64_t all = options_.memory;
    if (options_.free) {
      R1_TRY(const uint64_t free, options_.free());
      all = std::min(all, free + used);
    }
    const uint64_t least = room.all ? all : room.least;
    const uint64_t left = all - std::min(all, used);
    if (left >= least) return items().size() == 1 || room.all ? left : std::min(left, room.most);
    const uint64_t most = all - std::min(all, held);
    if (most < least || oldest == state_->places.end()) {
      return error(
          "{} needs {}: {} for its weights and the rest for {} tokens of context; of {} for models "
          "{} are left{}",
          item.name, format_bytes(least), format_bytes(room.weights), room.context,
          format_bytes(all), format_bytes(most), who);
    }
    auto model = std::move(oldest->second.model);
    state_->places.erase(oldest);
    lock.unlock();
    model.reset();
    lock.lock();
  }
}

void Shelf::put_back(std::unique_lock<std::mutex>& lock) {
  std::vector<std::unique_ptr<ServedModel>> idle;
  for (auto it = state_->places.begin(); it != state_->places.end();) {
    Place& place = it->second;
    const double unused = std::chrono::duration<double>(Clock::now() - place.used).count();
    if (!place.model || place.leases > 0 || place.keep < 0 || unused < place.keep) {
      ++it;
      continue;
    }
    idle.push_back(std::move(place.model));
    it = state_->places.erase(it);
  }
  if (idle.empty()) return;
  lock.unlock();
  idle.clear();
  lock.lock();
}

}  // namespace r1

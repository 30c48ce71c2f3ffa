#include "serve/keys.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/state_path.h"
#include "serve/digest.h"
#include "serve/file_stamp.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kLargestFile = 16 << 20;

constexpr std::string_view kPeriods[] = {"", "day", "month"};

Budget::Period period(std::string_view text) {
  const auto found = std::ranges::find(kPeriods, text);
  return static_cast<Budget::Period>(found == std::end(kPeriods) ? 0 : found - kPeriods);
}

}  // namespace

bool Key::allows(std::string_view scope) const {
  return std::ranges::find(scopes, scope) != scopes.end();
}

std::string key_path() { return state_path("keys.json"); }

Result<std::vector<Key>> KeyFile::read() const {
  std::vector<Key> keys;
  if (!file_exists(path_)) return keys;
  R1_TRY(const std::string text, read_file(path_, kLargestFile));
  try {
    const Json file = Json::parse(text);
    for (const Json& one : file.at("keys")) {
      keys.push_back({.id = one.at("id"),
                      .hash = one.at("sha256"),
                      .name = one.at("name"),
                      .scopes = one.at("scopes").get<std::vector<std::string>>(),
                      .created = one.at("created"),
                      .expires = one.at("expires"),
                      .budget = {.nanos = one.value("budget_nano_dollars", int64_t{-1}),
                                 .period = period(one.value("budget_period", ""))},
                      .requests_per_minute = one.value("requests_per_minute", int64_t{0}),
                      .tokens_per_minute = one.value("tokens_per_minute", int64_t{0})});
    }
  } catch (const Json::exception&) {
    return error("{}: is no file of keys; r1 key create writes one", path_);
  }
  return keys;
}

Result<void> KeyFile::write(const std::vector<Key>& keys) const {
  Json list = Json::array();
  for (const Key& key : keys) {
    list.push_back({{"id", key.id},
                    {"sha256", key.hash},
                    {"name", key.name},
                    {"scopes", key.scopes},
                    {"created", key.created},
                    {"expires", key.expires}});
    Json& one = list.back();
    if (key.budget.limited()) {
      one["budget_nano_dollars"] = key.budget.nanos;
      one["budget_period"] = kPeriods[static_cast<size_t>(key.budget.period)];
    }
    if (key.requests_per_minute > 0) one["requests_per_minute"] = key.requests_per_minute;
    if (key.tokens_per_minute > 0) one["tokens_per_minute"] = key.tokens_per_minute;
  }
  const Json file = {{"keys", std::move(list)}};
  std::error_code failure;
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, failure);
  const ::mode_t mask = ::umask(0077);  // nobody else's to read
  const auto written = write_file(path_, file.dump(1) + "\n");
  ::umask(mask);
  return written;
}

Result<KeyFile::Made> KeyFile::create(Key wanted) const {
  R1_TRY(std::vector<Key> keys, read());
  if (std::ranges::any_of(keys, [&](const Key& k) { return k.name == wanted.name; }))
    return error("a key is named {:?} already: revoke it, or choose another name", wanted.name);
  std::array<unsigned char, 32> random;
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return error("the system gives no random bytes");
  Made made{.key = std::move(wanted), .secret = "r1-" + hex(random)};
  made.key.hash = sha256(made.secret);
  made.key.created = std::time(nullptr);
  made.key.id = made.key.hash.substr(0, 8);
  keys.push_back(made.key);
  R1_DO(write(keys));
  return made;
}

Result<Key> KeyFile::revoke(std::string_view which) const {
  R1_TRY(std::vector<Key> keys, read());
  const auto found =
      std::ranges::find_if(keys, [&](const Key& k) { return k.id == which || k.name == which; });
  if (found == keys.end()) return error("no key is {:?}: r1 key list names those there are", which);
  Key key = *found;
  keys.erase(found);
  R1_DO(write(keys));
  return key;
}

Result<void> Keyring::refresh() {
  const std::string stamp = file_stamp(file_.path());
  if (stamp == stamp_) return {};
  R1_TRY(keys_, file_.read());
  stamp_ = stamp;
  return {};
}

Result<bool> Keyring::any() {
  const std::lock_guard lock(mutex_);
  R1_DO(refresh());
  return !keys_.empty();
}

std::optional<Key> Keyring::find(std::string_view secret) {
  const std::string hash = sha256(secret);  // what is compared tells nothing of the secret
  const std::lock_guard lock(mutex_);
  if (!refresh()) return std::nullopt;
  for (const Key& key : keys_)
    if (key.hash == hash) return key;
  return std::nullopt;
}

}  // namespace r1

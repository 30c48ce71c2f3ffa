// r1 usage: what servers were asked for, by day, key or model, and what it cost.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/state_path.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "serve/keys.h"
#include "serve/ledger.h"

namespace r1 {

const char* const usage_examples = R"(Examples:
  r1 usage                          every day
  r1 usage --by key --since 30d     who used how much in 30 days
  r1 usage --key laptop --by model
  r1 usage --json)";

namespace {

using Json = nlohmann::ordered_json;

struct UsageOptions {
  std::string key, since, by = "day", file = state_path("usage.db"), keys = key_path();
  bool json = false;
};

// "2026-11-01", or "30d": that many days, today's among them.
Result<std::string> first_day(const std::string& since) {
  if (since.empty()) return std::string();
  int days = 0;
  const auto [stop, failure] = std::from_chars(since.data(), since.data() + since.size(), days);
  if (failure == std::errc{} && std::string_view(stop) == "d" && days >= 1 && days <= 36500)
    return day_of(std::time(nullptr) - (days - 1) * int64_t{86400});
  std::tm date{};
  const char* end = ::strptime(since.c_str(), "%Y-%m-%d", &date);
  if (since.size() == 10 && end && *end == '\0') return since;
  return error("--since {}: a day such as 2026-11-01, or a number of days such as 30d, is wanted",
               since);
}

Json usage_json(const Usage& u) {
  return {{"requests", u.requests},
          {"prompt_tokens", u.prompt_tokens},
          {"cached_tokens", u.cached_tokens},
          {"thought_tokens", u.thought_tokens},
          {"generated_tokens", u.generated_tokens},
          {"cost", static_cast<double>(u.nanos) / 1e9}};
}

void print_row(std::string_view name, const Usage& u) {
  const auto n = [](int64_t count) { return format_grouped(static_cast<uint64_t>(count)); };
  fmt::print("{:<24} {:>9} {:>13} {:>13} {:>12} {:>12} {:>13}\n", name, n(u.requests),
             n(u.prompt_tokens), n(u.cached_tokens), n(u.thought_tokens), n(u.generated_tokens),
             format_dollars(u.nanos));
}

Result<void> usage(const UsageOptions& o) {
  if (!file_exists(o.file))
    return error("{}: there is no such file; r1 serve writes it when it is first asked", o.file);
  R1_TRY(const auto keys, KeyFile(o.keys).read());
  std::string id = o.key;  // of a revoked key too
  for (const Key& key : keys)
    if (key.name == o.key) id = key.id;
  R1_TRY(const std::string since, first_day(o.since));
  const auto by = o.by == "key"     ? Ledger::By::kKey
                  : o.by == "model" ? Ledger::By::kModel
                                    : Ledger::By::kDay;
  R1_TRY(Ledger ledger, Ledger::open(o.file));
  R1_TRY(auto rows, ledger.sums(by, id, since));
  const bool known = id.empty() || id != o.key || id == "-" || !rows.empty() ||
                     std::ranges::find(keys, id, &Key::id) != keys.end();
  if (!known) return error("--key {}: no key is named so, and none of that id was used", o.key);
  Usage total;
  Json list = Json::array();
  if (!o.json)
    fmt::print("{:<24} {:>9} {:>13} {:>13} {:>12} {:>12} {:>13}\n", o.by, "requests", "prompt",
               "from cache", "thought", "generated", "cost");
  for (Ledger::Row& row : rows) {
    total += row.usage;
    std::string shown = row.name;
    for (const Key& key : keys)
      if (by == Ledger::By::kKey && key.id == row.name)
        shown = fmt::format("{} {}", key.id, key.name);
    if (o.json) {
      list.push_back({{o.by, row.name}});
      list.back().update(usage_json(row.usage));
    } else {
      print_row(printable(shown), row.usage);
    }
  }
  if (o.json)
    fmt::print("{}\n", Json{{"by", o.by}, {"rows", list}, {"total", usage_json(total)}}.dump(
                           2, ' ', false, Json::error_handler_t::replace));
  else
    print_row("total", total);
  return {};
}

}  // namespace

Run declare_usage(CLI::App& app) {
  const auto options = std::make_shared<UsageOptions>();
  UsageOptions* o = options.get();
  app.add_option("--key", o->key, "of one key: its name or id; \"-\": what came without one");
  app.add_option("--since", o->since, "from a day on, 2026-11-01, or the last days, 30d")
      ->type_name("DAY");
  app.add_option("--by", o->by, "day, key or model; default: day")
      ->check(CLI::IsMember({"day", "key", "model"}));
  app.add_flag("--json", o->json, "print JSON");
  app.add_option("--usage", o->file, "the server's; default: ~/.local/state/r1/usage.db")
      ->type_name("FILE");
  app.add_option("--keys", o->keys, "the file of keys, for their names")->type_name("FILE");
  return [options] { return usage(*options); };
}

}  // namespace r1

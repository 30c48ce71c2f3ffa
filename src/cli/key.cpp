// r1 key create|list|revoke: who may use a server. A server sees changes at once.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "serve/dialects.h"
#include "serve/keys.h"

namespace r1 {

const char* const key_examples = R"(Examples:
  r1 key create laptop                       prints the key, this once
  r1 key create prometheus --scope metrics
  r1 key create guest --days 7
  r1 key list
  r1 key revoke laptop)";

namespace {

struct KeyOptions {
  std::string verb, name, file = key_path();
  std::vector<std::string> scopes;
  int64_t days = 0;
};

Result<void> list(const KeyFile& file) {
  R1_TRY(const auto keys, file.read());
  for (const Key& key : keys) {
    const std::string expires =
        key.expires == 0 ? "never expires" : "expires " + rfc3339(key.expires);
    fmt::print("{}  {:<20}  {}  made {}, {}\n", key.id, printable(key.name),
               fmt::join(key.scopes, ","), rfc3339(key.created), expires);
  }
  return {};
}

Result<void> run(const KeyOptions& options) {
  const KeyFile file(options.file);
  if (options.verb == "list") return list(file);
  if (options.name.empty()) return error("r1 key {} NAME: whose?", options.verb);
  if (options.verb == "revoke") {
    R1_TRY(const Key key, file.revoke(options.name));
    fmt::print("revoked {} {}\n", key.id, printable(key.name));
    return {};
  }
  const int64_t expires = options.days > 0 ? std::time(nullptr) + options.days * 86400 : 0;
  const auto scopes = options.scopes.empty() ? std::vector<std::string>{"use"} : options.scopes;
  R1_TRY(const auto made, file.create(options.name, scopes, expires));
  fmt::print("{}\n", made.secret);
  fmt::print(stderr, "key {} for {} ({}): it is not shown again\n", made.key.id,
             printable(options.name), fmt::join(scopes, ","));
  return {};
}

}  // namespace

Run declare_key(CLI::App& app) {
  const auto options = std::make_shared<KeyOptions>();
  KeyOptions* o = options.get();
  app.add_option("VERB", o->verb, "create, list or revoke")
      ->required()
      ->check(CLI::IsMember({"create", "list", "revoke"}));
  app.add_option("NAME", o->name, "of the key; revoke takes its id too");
  app.add_option("--scope", o->scopes,
                 "what it allows: use, models, metrics, traces; repeatable; default: use")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kScopes), std::end(kScopes))))
      ->expected(1)
      ->allow_extra_args(false)
      ->type_name("SCOPE");
  app.add_option("--days", o->days, "after how many it expires; default: never")
      ->check(CLI::Range(int64_t{1}, int64_t{36500}))
      ->type_name("N");
  app.add_option("--keys", o->file, "the file of keys; default: ~/.local/state/r1/keys.json")
      ->type_name("FILE");
  return [options] { return run(*options); };
}

}  // namespace r1

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
  r1 key create guest --days 7 --budget 5.00/month --requests 60 --tokens 100000
  r1 key list
  r1 key revoke laptop)";

namespace {

struct KeyOptions {
  std::string verb, file = key_path();
  Key key;
  int64_t days = 0;
};

// ", $5.00 a month, 60 requests and 100000 tokens a minute"
std::string limits(const Key& key) {
  std::vector<std::string> paces;
  if (key.requests_per_minute > 0)
    paces.push_back(fmt::format("{} requests", key.requests_per_minute));
  if (key.tokens_per_minute > 0) paces.push_back(fmt::format("{} tokens", key.tokens_per_minute));
  std::string text = key.budget.limited() ? ", " + format_budget(key.budget) : "";
  if (!paces.empty()) text += fmt::format(", {} a minute", fmt::join(paces, " and "));
  return text;
}

Result<void> list(const KeyFile& file) {
  R1_TRY(const auto keys, file.read());
  for (const Key& key : keys) {
    const std::string expires =
        key.expires == 0 ? "never expires" : "expires " + rfc3339(key.expires);
    fmt::print("{}  {:<20}  {}  made {}, {}{}\n", key.id, printable(key.name),
               fmt::join(key.scopes, ","), rfc3339(key.created), expires, limits(key));
  }
  return {};
}

Result<void> run(const KeyOptions& options) {
  const KeyFile file(options.file);
  if (options.verb == "list") return list(file);
  if (options.key.name.empty()) return error("r1 key {} NAME: whose?", options.verb);
  if (options.verb == "revoke") {
    R1_TRY(const Key key, file.revoke(options.key.name));
    fmt::print("revoked {} {}\n", key.id, printable(key.name));
    return {};
  }
  Key wanted = options.key;
  if (options.days > 0) wanted.expires = std::time(nullptr) + options.days * 86400;
  R1_TRY(const auto made, file.create(std::move(wanted)));
  fmt::print("{}\n", made.secret);
  fmt::print(stderr, "key {} for {} ({}{}): it is not shown again\n", made.key.id,
             printable(made.key.name), fmt::join(made.key.scopes, ","), limits(made.key));
  return {};
}

}  // namespace

Run declare_key(CLI::App& app) {
  const auto options = std::make_shared<KeyOptions>();
  KeyOptions* o = options.get();
  app.add_option("VERB", o->verb, "create, list or revoke")
      ->required()
      ->check(CLI::IsMember({"create", "list", "revoke"}));
  app.add_option("NAME", o->key.name, "of the key; revoke takes its id too");
  app.add_option("--scope", o->key.scopes,
                 "what it allows: use, models, metrics, traces; repeatable; default: use")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kScopes), std::end(kScopes))))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("SCOPE");
  app.add_option("--days", o->days, "after how many it expires; default: never")
      ->check(CLI::Range(int64_t{1}, int64_t{36500}))
      ->type_name("N");
  app.add_option_function<std::string>(
         "--budget",
         [o](const std::string& text) {
           const auto budget = parse_budget(text);
           if (!budget) throw CLI::ValidationError("--budget " + budget.error().message);
           o->key.budget = *budget;
         },
         "what it may spend by the server's prices, e.g. 5.00, 0.50/day, 20/month; default: any "
         "sum")
      ->type_name("DOLLARS");
  app.add_option("--requests", o->key.requests_per_minute, "a minute, at most; default: any number")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->type_name("N");
  app.add_option("--tokens", o->key.tokens_per_minute,
                 "a minute, of prompts and answers, at most; default: any number")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->type_name("N");
  app.add_option("--keys", o->file, "the file of keys; default: ~/.local/state/r1/keys.json")
      ->type_name("FILE");
  return [options] { return run(*options); };
}

}  // namespace r1

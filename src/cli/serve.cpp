// r1 serve: models over HTTP, until SIGTERM or Ctrl-C; then what is being said is said to its end.
#include <malloc.h>
#include <pthread.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/state_path.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "format/weight_file.h"
#include "infer/fit.h"
#include "infer/memory.h"
#include "kernels/cpu.h"
#include "serve/dialects.h"
#include "serve/lockdown.h"
#include "serve/server.h"

namespace r1 {

const char* const serve_examples = R"(Examples:
  r1 serve model.gguf                     http://127.0.0.1:11434, for this machine alone
  r1 serve --models ~/models              every model of a folder, loaded when it is wanted
  r1 key create laptop && r1 serve model.gguf --host 0.0.0.0)";

namespace {

constexpr double kDrainSeconds = 30;

struct ServeOptions {
  std::vector<std::string> models;
  std::string folder;
  ServerOptions server;
  EngineOptions engine;
  double keep_minutes = 5;
  bool log = false, lockdown = false;
};

Result<std::vector<ShelfItem>> offered(const ServeOptions& options) {
  std::vector<ShelfItem> items;
  for (const std::string& path : options.models) {
    R1_TRY(ShelfItem item, shelf_item(path));
    item.kept = true;
    items.push_back(std::move(item));
  }
  if (!options.folder.empty()) {
    R1_TRY(auto more, shelf_items(options.folder));
    items.insert(items.end(), more.begin(), more.end());
  }
  if (items.empty())
    return error("no model: r1 serve MODEL..., or --models FOLDER with some in it");
  return items;
}

// Loads those that were named, so that the first request finds them.
Result<void> load_kept(Shelf& shelf) {
  std::mutex mutex;
  std::condition_variable done;
  size_t left = 0;
  std::optional<Error> failure;
  for (const ShelfItem* item : shelf.items()) left += item->kept;
  for (const ShelfItem* item : shelf.items()) {
    if (!item->kept) continue;
    shelf.open(*item, {}, [&](const Result<Lease>& model) {
      const std::lock_guard lock(mutex);
      if (!model && !failure) failure = model.error();
      --left;
      done.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return left == 0; });
  if (failure) return *failure;
  return {};
}

std::string folder_of(const std::string& path) {
  return std::filesystem::absolute(path).parent_path().string();
}

// With what links in a folder lead to, as those of Hugging Face's cache, and the other parts of a
// file.
void add_model(Reach& reach, const std::string& path) {
  std::error_code ignored;
  reach.read.push_back(path);
  if (path.find("-of-") != path.npos) reach.read.push_back(folder_of(path));
  if (!std::filesystem::is_directory(path, ignored)) return;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
    if (entry.is_symlink(ignored))
      reach.read.push_back(std::filesystem::canonical(entry.path(), ignored).string());
}

// What a locked server may open; of files that others of their name replace, the folder.
Result<Reach> reach_of(const ServeOptions& o, const std::vector<ShelfItem>& items) {
  Reach reach;
  for (const ShelfItem& item : items) add_model(reach, item.path);
  for (const std::string& path : {o.folder, o.engine.adapter, o.engine.draft_model})
    if (!path.empty()) add_model(reach, path);
  for (const std::string& path :
       {o.server.keys, o.server.prices, o.server.tls.cert, o.server.tls.key})
    if (!path.empty()) reach.read.push_back(folder_of(path));
  if (!o.folder.empty()) reach.write.push_back(o.folder);  // models are made there
  for (const std::string& path : {o.server.usage, o.server.traces}) {
    if (path.empty()) continue;
    reach.write.push_back(folder_of(path));
    R1_DO(make_folder(reach.write.back()));
  }
  return reach;
}

// Bodies, prompts and what is made of them come and go by the megabyte on every thread. By default
// glibc learns from that to keep them, in an arena for each thread: so a server would grow for
// hours.
void give_memory_back() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
}

Result<void> serve(const ServeOptions& options) {
  give_memory_back();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread: all of them inherit it
  std::signal(SIGPIPE, SIG_IGN);

  R1_TRY(auto items, offered(options));
  if (options.lockdown) {  // before there are threads
    R1_TRY(const Reach reach, reach_of(options, items));
    R1_DO(confine_files(reach));
  }
  ServerOptions server_options = options.server;
  server_options.folder = options.folder;
  if (options.log) {
    server_options.log = [](const nlohmann::ordered_json& line) {
      nlohmann::ordered_json timed = {{"time", rfc3339(unix_seconds())}};
      timed.update(line);
      fmt::print(stderr, "{}\n", dump(timed));
    };
  }
  // Clients are not told why a model cannot be loaded; who runs the server is.
  std::optional<std::string> failure;
  std::atomic<bool> started = false;
  const Shelf::Open open = [&](const std::string& path,
                               uint64_t memory) -> Result<std::unique_ptr<ServedModel>> {
    EngineOptions engine = options.engine;
    engine.max_waiting = std::numeric_limits<int>::max();  // the server has the limit
    engine.memory = memory;
    std::optional<Progress> bar;
    engine.progress = [&](uint64_t done, uint64_t total) {
      if (!bar) bar.emplace("loading", total);
      bar->update(done);
    };
    return open_served(path, engine);
  };
  ShelfOptions shelf{.keep_seconds = options.keep_minutes * 60, .memory = options.engine.memory};
  if (shelf.memory == 0 && (items.size() > 1 || !options.folder.empty())) {
    R1_TRY(shelf.memory, available_memory());
    shelf.free = [] { return available_memory(); };
  }
  R1_TRY(const Isa isa, chosen_isa());
  FitMachine machine{.memory = shelf.memory,
                     .isa = isa,
                     .compute = options.engine.compute,
                     .kv_dtype = options.engine.kv_dtype,
                     .mtp = options.engine.speculate == Speculate::kMtp};
  if (options.engine.speculate == Speculate::kDraft) {
    R1_TRY(const WeightFile draft, WeightFile::open(options.engine.draft_model));
    R1_DO(add_draft(draft, machine));
  }
  shelf.room = [&](const std::string& path) -> Result<ModelRoom> {
    R1_TRY(const WeightFile file, WeightFile::open(path));
    return model_room(file, machine, options.engine.context);
  };
  shelf.failed = [&](std::string_view message) {
    if (!started) {
      failure = message;
    } else if (server_options.log) {
      server_options.log({{"event", "failure"}, {"message", message}});
    } else {
      fmt::print(stderr, "r1: {}\n", printable(message));
    }
  };
  R1_TRY(const auto server, Server::start(server_options, std::move(items), open, shelf));
  if (options.lockdown) R1_DO(confine_calls());  // now that it listens
  if (auto loaded = load_kept(server->shelf()); !loaded)
    return failure ? error("{}", *failure) : std::move(loaded).error();
  started = true;
  std::vector<std::string> names;
  for (const ShelfItem* item : server->shelf().items()) names.push_back(item->name);
  const char* scheme = options.server.tls.cert.empty() ? "http" : "https";
  fmt::print(stderr, "serving {} at {}://{}:{}\n",
             printable(fmt::format("{}", fmt::join(names, ", "))), scheme, options.server.host,
             server->port());

  int signal = 0;
  while (::sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
    const auto reloaded = server->reload();
    fmt::print(stderr, "{}\n",
               reloaded ? "read again" : "kept as it was: " + printable(reloaded.error().message));
  }
  fmt::print(stderr, "ending: answers under way have {} s; again to end at once\n", kDrainSeconds);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  if (!server->drain(kDrainSeconds)) fmt::print(stderr, "some answers were cut short\n");
  return {};
}

}  // namespace

Run declare_serve(CLI::App& app) {
  const auto options = std::make_shared<ServeOptions>();
  ServeOptions* o = options.get();
  o->server.usage = state_path("usage.db");
  app.add_option("MODEL", o->models,
                 ".gguf files or Hugging Face folders, loaded at once and kept");
  app.add_option("--models", o->folder, "a folder of models, each loaded when it is first wanted")
      ->type_name("FOLDER");
  app.add_option("--host", o->server.host,
                 "address to listen on; all but loopback demand a key; default: 127.0.0.1")
      ->type_name("ADDRESS");
  app.add_option("--port", o->server.port, "default: 11434, where Ollama's clients look")
      ->check(CLI::Range(0, 65535))
      ->type_name("N");
  app.add_option("--name", o->server.names, "a host name that requests may use; repeatable")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("HOST");
  app.add_option("--keys", o->server.keys, "the file of keys; default: ~/.local/state/r1/keys.json")
      ->type_name("FILE");
  app.add_flag(
      "--traces{" + state_path("traces.db") + "}", o->server.traces,
      "keep every answer with what made it in a log, for r1 trace; --traces=FILE; default: "
      "~/.local/state/r1/traces.db");
  app.add_option("--tls-cert", o->server.tls.cert,
                 "PEM: the server's certificate and those above it; read again on SIGHUP")
      ->type_name("FILE");
  app.add_option("--tls-key", o->server.tls.key, "PEM: its private key")->type_name("FILE");
  app.add_option("--prices", o->server.prices,
                 "what tokens cost, TOML; read again on SIGHUP; default: DeepSeek-R1's prices")
      ->type_name("FILE");
  app.add_option("--usage", o->server.usage,
                 "where usage is written down; default: ~/.local/state/r1/usage.db")
      ->type_name("FILE");
  app.add_option("--queue", o->server.most_at_once,
                 "answers under way and waiting; beyond them only keys below their share get any, "
                 "others 429; default: 512")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  app.add_option("--keep", o->keep_minutes, "minutes a model of --models stays unused; default: 5")
      ->check(CLI::Range(0.0, 1e6))
      ->type_name("MINUTES");
  app.add_flag(
      "--strict-reasoning", o->server.strict_reasoning,
      "refuse reasoning_content in messages, as DeepSeek-R1's first API did; else it is dropped");
  app.add_flag("--lockdown", o->lockdown,
               "let the kernel refuse connections out, other programs, and files beyond the models "
               "and the folders of keys and usage");
  app.add_flag("--log", o->log, "JSON lines on standard error, without a word of what is said");
  add_engine_options(app, o->engine);
  return [options] { return serve(*options); };
}

}  // namespace r1

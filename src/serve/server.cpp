#include "serve/server.h"

#include <algorithm>

#include "serve/dialects.h"
#include "serve/page.h"

namespace r1 {
namespace {

enum class Need { kNothing, kUse, kModels, kMetrics, kTraces };  // what a key must allow
constexpr std::string_view kNeeds[] = {"", "use", "models", "metrics", "traces"};

struct Route {
  std::string_view method, path;  // a path that ends in '/' stands for all below it
  Need need;
  Refuse words;
  Handle handle;
};

void health(App&, const HttpRequest&, std::shared_ptr<Reply> reply) {
  reply->send(200, "application/json", R"({"status":"ok"})");
}

void metrics(App& app, const HttpRequest&, std::shared_ptr<Reply> reply) {
  std::map<std::string, Engine::Load> models;
  for (const auto& loaded : app.shelf.loaded()) models[loaded.item->name] = loaded.model->load();
  reply->send(200, "text/plain; version=0.0.4; charset=utf-8", app.metrics.text(models));
}

constexpr Route kRoutes[] = {
    {"GET", "/", Need::kNothing, openai_refusal, page},
    {"HEAD", "/", Need::kNothing, openai_refusal, page},
    {"GET", "/health", Need::kNothing, openai_refusal, health},
    {"GET", "/metrics", Need::kMetrics, openai_refusal, metrics},
    {"GET", "/traces", Need::kTraces, openai_refusal, list_traces},
    {"GET", "/traces/", Need::kTraces, openai_refusal, show_trace},
    {"POST", "/v1/chat/completions", Need::kUse, openai_refusal, openai_chat},
    {"POST", "/v1/completions", Need::kUse, openai_refusal, openai_completion},
    {"POST", "/v1/responses", Need::kUse, openai_refusal, openai_responses},
    {"POST", "/v1/embeddings", Need::kUse, openai_refusal, openai_embeddings},
    {"GET", "/v1/models", Need::kUse, openai_refusal, openai_models},
    {"GET", "/v1/models/", Need::kUse, openai_refusal, openai_model},
    {"POST", "/v1/messages", Need::kUse, anthropic_refusal, anthropic_messages},
    {"POST", "/v1/messages/count_tokens", Need::kUse, anthropic_refusal, anthropic_count},
    {"POST", "/chat/completions", Need::kUse, deepseek_refusal, deepseek_chat},
    {"POST", "/completions", Need::kUse, deepseek_refusal, deepseek_completion},
    {"GET", "/models", Need::kUse, deepseek_refusal, openai_models},
    {"GET", "/models/", Need::kUse, deepseek_refusal, openai_model},
    {"POST", "/beta/chat/completions", Need::kUse, deepseek_refusal, deepseek_chat},
    {"POST", "/beta/completions", Need::kUse, deepseek_refusal, deepseek_completion},
    {"POST", "/api/chat", Need::kUse, ollama_refusal, ollama_chat},
    {"POST", "/api/generate", Need::kUse, ollama_refusal, ollama_generate},
    {"POST", "/api/embed", Need::kUse, ollama_refusal, ollama_embed},
    {"POST", "/api/embeddings", Need::kUse, ollama_refusal, ollama_embeddings},
    {"GET", "/api/tags", Need::kUse, ollama_refusal, ollama_tags},
    {"GET", "/api/ps", Need::kUse, ollama_refusal, ollama_ps},
    {"POST", "/api/show", Need::kUse, ollama_refusal, ollama_show},
    {"POST", "/api/pull", Need::kModels, ollama_refusal, ollama_pull},
    {"POST", "/api/create", Need::kModels, ollama_refusal, ollama_create},
    {"POST", "/api/copy", Need::kModels, ollama_refusal, ollama_copy},
    {"DELETE", "/api/delete", Need::kModels, ollama_refusal, ollama_delete},
    {"HEAD", "/api/blobs/", Need::kModels, ollama_refusal, ollama_blob},
    {"POST", "/api/blobs/", Need::kModels, ollama_refusal, ollama_blob},
    {"GET", "/api/version", Need::kUse, ollama_refusal, ollama_version},
};

bool leads_to(const Route& route, std::string_view path) {
  const bool folder = route.path.size() > 1 && route.path.ends_with('/');
  return folder ? path.starts_with(route.path) && path.size() > route.path.size()
                : path == route.path;
}

// "127.0.0.1:11434" -> "127.0.0.1", "[::1]:80" -> "::1".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, std::min(host.find(']'), host.size()) - 1);
  return host.substr(0, host.find(':'));
}

bool is_address(std::string_view host) {
  const bool v6 = host.find(':') != host.npos;
  return !host.empty() &&
         host.find_first_not_of(v6 ? "0123456789abcdefABCDEF:." : "0123456789.") == host.npos;
}

std::string_view secret_of(const HttpRequest& request) {
  const std::string_view bearer = request.header("authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (bearer.size() > kScheme.size() &&
      (bearer.starts_with(kScheme) || bearer.starts_with("bearer ")))
    return bearer.substr(kScheme.size());
  return request.header("x-api-key");
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "::1" ||
         (host.starts_with("127.") && is_address(host));
}

Server::Server(const ServerOptions& options, std::optional<Ledger> ledger,
               std::vector<ShelfItem> items, Shelf::Open open, ShelfOptions shelf)
    : options_(options),
      metrics_(options.log),
      keyring_(KeyFile(options.keys)),
      accounts_({}, std::move(ledger),
                [this](std::string_view message) { metrics_.failed(message); }),
      shelf_(std::make_unique<Shelf>(
          std::move(items),
          [this, o = std::move(open)](const std::string& path, uint64_t memory) {
            return load(path, memory, o);
          },
          std::move(shelf))) {
  app_.reset(new App{.shelf = *shelf_,
                     .metrics = metrics_,
                     .accounts = accounts_,
                     .places = Places(options.most_at_once),
                     .strict_reasoning = options.strict_reasoning,
                     .folder = ModelFolder(options.folder)});
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                              std::vector<ShelfItem> items, Shelf::Open open,
                                              ShelfOptions shelf) {
  std::optional<Ledger> ledger;
  if (!options.usage.empty()) {
    R1_TRY(ledger, Ledger::open(options.usage));
  }
  shelf.folder = options.folder;
  std::unique_ptr<Server> server(
      new Server(options, std::move(ledger), std::move(items), std::move(open), std::move(shelf)));
  R1_DO(server->reload());
  R1_TRY(const bool keys, server->keyring_.any());
  if (!is_loopback(options.host) && !keys) {
    return error(
        "--host {}: others than this machine could reach it, and there is no key; make one "
        "with r1 key create NAME",
        options.host);
  }
  if (!options.traces.empty()) {
    R1_TRY(server->traces_,
           TraceWriter::start(options.traces, [m = &server->metrics_](std::string_view message) {
             m->failed(message);
           }));
    server->app_->traces = server->traces_.get();
  }
  const auto handle = [s = server.get()](HttpRequest request, std::shared_ptr<Reply> reply) {
    s->handle(std::move(request), std::move(reply));
  };
  R1_TRY(server->http_,
         HttpServer::listen(options.host, options.port, options.limits, handle, options.tls));
  return server;
}

Server::~Server() {
  if (http_) http_->stop();
  shelf_.reset();  // engines end, and tell their listeners, whose replies need the server's context
}

// With traces, a model is known by its hash before it says a word.
Result<std::unique_ptr<ServedModel>> Server::load(const std::string& path, uint64_t memory,
                                                  const Shelf::Open& open) {
  if (traces_) R1_DO(traces_->identify(path));
  R1_TRY(auto model, open(path, memory));
  const std::string adapter = model->settings().value("adapter", "");
  if (traces_ && !adapter.empty()) R1_DO(traces_->identify(adapter));
  return model;
}

Result<void> Server::reload() {
  if (!options_.prices.empty()) {
    R1_TRY(PriceTable prices, PriceTable::read(options_.prices));
    accounts_.set_prices(std::move(prices));
  }
  return http_ ? http_->reload_tls() : Result<void>();
}

void Server::handle(HttpRequest request, std::shared_ptr<Reply> reply) {
  const Route* route = nullptr;
  bool path_known = false;
  Refuse words = request.path.starts_with("/api/") ? ollama_refusal : openai_refusal;
  for (const Route& r : kRoutes) {
    if (!leads_to(r, request.path)) continue;
    path_known = true;
    words = r.words;
    if (r.method == request.method) route = &r;
  }
  const auto turn_away = [&](Problem problem) {
    metrics_.refused(problem.status);
    refuse(*reply, problem, words);
  };

  // A page in somebody's browser may reach this machine under a name of its own (DNS rebinding) or
  // from another origin: neither gets anything.
  const std::string_view host = request.header("host"), name = without_port(host);
  const bool named = is_loopback(name) ||
                     std::ranges::find(options_.names, name) != options_.names.end() ||
                     (!is_loopback(options_.host) && is_address(name));
  if (!named && !host.empty())
    return turn_away(
        {.status = 403, .message = "this host name is not served here; --name allows one"});
  if (host.empty() && !is_loopback(request.peer))
    return turn_away({.status = 400, .message = "a Host header is wanted"});
  if (const std::string_view origin = request.header("origin"); !origin.empty()) {
    const size_t scheme = origin.find("://");
    if (scheme == origin.npos || origin.substr(scheme + 3) != host)
      return turn_away(
          {.status = 403, .message = "requests from pages of other origins are not served"});
  }

  if (!route || route->need != Need::kNothing) {
    const auto keys = keyring_.any();
    if (!keys) {
      metrics_.failed(keys.error().message);
      return turn_away({.status = 500, .message = "the keys cannot be read now"});
    }
    if (*keys || !is_loopback(options_.host)) {
      const auto key = keyring_.find(secret_of(request));
      if (!key)
        return turn_away({.status = 401,
                          .message = "a valid key is wanted: Authorization: Bearer KEY",
                          .code = "invalid_api_key"});
      if (key->expired(unix_seconds()))  // told to nobody but who has it
        return turn_away({.status = 401,
                          .message = fmt::format("this key expired at {}", rfc3339(key->expires)),
                          .code = "expired_api_key"});
      const std::string_view scope = kNeeds[static_cast<size_t>(route ? route->need : Need::kUse)];
      if (!key->allows(scope))
        return turn_away(
            {.status = 403, .message = fmt::format("this key has no scope {:?}", scope)});
      // What is asked of a model is POSTed.
      if (auto problem = accounts_.admit(*key, request.method == "POST", unix_seconds()))
        return turn_away(*std::move(problem));
      request.key = key->id;
    }
  }
  if (!path_known) return turn_away({.status = 404, .message = "there is nothing under this path"});
  if (!route)
    return turn_away(
        {.status = 405, .message = "this path is not for " + request.method.substr(0, 16)});
  metrics_.requested(request.method, route->path, request.key);
  route->handle(*app_, request, std::move(reply));
}

}  // namespace r1

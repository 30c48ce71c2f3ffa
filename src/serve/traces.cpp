// GET /traces and /traces/ID: what the log has, for a page that shows it.
#include <algorithm>
#include <charconv>

#include "serve/dialects.h"
#include "serve/trace_view.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMost = 500;

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t n = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), n);
  const bool all = failure == std::errc{} && end == text.data() + text.size();
  return all && n >= 0 && n <= INT64_MAX / 1000 ? std::optional(n) : std::nullopt;
}

int digit(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const size_t at = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
  return at == kDigits.npos ? -1 : static_cast<int>(at);
}

// "a%20b+c" -> "a b c"; what is no escape stays as it is.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    if (escape) {
      plain += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

std::optional<Problem> not_kept(const App& app) {
  if (app.traces) return std::nullopt;
  return Problem{.status = 404,
                 .message = "no traces are kept here: r1 serve --traces keeps them",
                 .code = "no_traces"};
}

// The log, opened for this one request: it is the writer's own otherwise.
template <class Read>
void with_log(App& app, Reply& reply, Read read) {
  if (const auto problem = not_kept(app)) return refuse(reply, *problem, openai_refusal);
  const auto found = [&]() -> Result<std::variant<Json, Problem>> {
    R1_TRY(TraceLog log, TraceLog::open(app.traces->path()));
    return read(log);
  }();
  if (!found) {
    app.metrics.failed(found.error().message);
    return refuse(reply, {.status = 500, .message = "the log cannot be read now"}, openai_refusal);
  }
  if (const auto* problem = std::get_if<Problem>(&*found))
    return refuse(reply, *problem, openai_refusal);
  reply.send(200, "application/json", dump(std::get<Json>(*found)),
             {{"Cache-Control", "no-store"}});
}

}  // namespace

std::variant<TraceFilter, Problem> read_trace_filter(std::string_view query) {
  TraceFilter filter;
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(field.size() + 1, query.size()));
    if (field.empty()) continue;
    const size_t equals = std::min(field.find('='), field.size());
    const std::string name = unescaped(field.substr(0, equals));
    const std::string value = unescaped(field.substr(std::min(equals + 1, field.size())));
    const auto number = whole_number(value);
    if (name == "model") {
      filter.model = value;
    } else if (name == "key") {
      filter.key = value;
    } else if (name == "user") {
      filter.user = value;
    } else if (name == "search") {
      filter.search = value;
    } else if (name == "limit" && number && *number >= 1 && *number <= kMost) {
      filter.limit = *number;
    } else if (name == "before" && number) {
      filter.before = *number;
    } else if (name == "since" && number) {
      filter.since = *number;
    } else if (name == "erased" && (value == "true" || value == "false")) {
      filter.erased = value == "true";
    } else {
      const bool numeric = name == "limit" || name == "before" || name == "since";
      return Problem{
          .message =
              numeric ? fmt::format("{}: a whole number is wanted, limit from 1 to {}", name, kMost)
              : name == "erased"
                  ? "erased: true or false is wanted"
                  : "limit, before, since, model, key, user, search and erased are known here",
          .param = name};
    }
  }
  return filter;
}

void list_traces(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  with_log(app, *reply, [&](TraceLog& log) -> Result<std::variant<Json, Problem>> {
    auto read = read_trace_filter(request.query);
    if (const auto* problem = std::get_if<Problem>(&read))
      return std::variant<Json, Problem>(*problem);
    const auto& filter = std::get<TraceFilter>(read);
    if (filter.search.find_first_not_of(" \t\n\"*") == std::string::npos && !filter.search.empty())
      return std::variant<Json, Problem>(
          Problem{.message = "search: a word is wanted", .param = "search"});
    R1_TRY(const auto lines, log.list(filter));
    Json traces = Json::array();
    for (const TraceLine& line : lines) traces.push_back(trace_summary(line));
    const bool more = std::ssize(lines) == filter.limit;
    return std::variant<Json, Problem>(
        Json{{"traces", std::move(traces)}, {"next", more ? Json(lines.back().id) : Json()}});
  });
}

void show_trace(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  with_log(app, *reply, [&](TraceLog& log) -> Result<std::variant<Json, Problem>> {
    const auto id = whole_number(std::string_view(request.path).substr(8));  // behind "/traces/"
    std::optional<TraceLine> line;
    if (id) {
      R1_TRY(line, log.find(*id));
    }
    if (line && !is_erasure(*line)) return std::variant<Json, Problem>(trace_whole(*line));
    return std::variant<Json, Problem>(
        Problem{.status = 404, .message = "there is no such trace", .code = "no_such_trace"});
  });
}

}  // namespace r1

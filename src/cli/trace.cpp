// r1 trace: the log that r1 serve --traces keeps, looked at, searched, exported, erased, verified,
// and run again.
#include "cli/trace.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "base/file.h"
#include "base/state_path.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "serve/dialects.h"
#include "serve/trace_view.h"

namespace r1 {

const char* const trace_examples = R"(Examples:
  r1 trace list --since 2d --key 4be0a1d2
  r1 trace show 17
  r1 trace search '"cube root" prime*'
  r1 trace export --format markdown -o traces.md
  r1 trace erase --user ann        or: erase 3 4 5, erase --older 90d
  r1 trace verify
  r1 trace replay 17               the same bits again, or where they part)";

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kAll = int64_t{1} << 60;

Result<std::vector<int64_t>> ids_of(const std::vector<std::string>& words) {
  std::vector<int64_t> ids;
  for (const std::string& word : words) {
    int64_t id = 0;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (failure != std::errc{} || end != word.data() + word.size() || id < 1)
      return error("{:?} is no number of a trace: r1 trace list shows them", word);
    ids.push_back(id);
  }
  return ids;
}

// "2026-11-27", "2026-11-27T20:41:00Z" (UTC), or an age: "90d", "12h", "30m".
Result<int64_t> parse_when(const std::string& flag, const std::string& text) {
  int64_t n = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, n);
  if (failure == std::errc{} && stop + 1 == end && n >= 0 && n < 1'000'000) {
    const int64_t unit = *stop == 'd' ? 86400 : *stop == 'h' ? 3600 : *stop == 'm' ? 60 : 0;
    if (unit > 0) return unix_seconds() - n * unit;
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"}) {
    std::tm tm{};
    const char* rest = ::strptime(text.c_str(), format, &tm);
    if (rest && *rest == '\0') return static_cast<int64_t>(::timegm(&tm));
  }
  return error(
      "{} {}: a day (2026-11-27), a time (2026-11-27T20:41:00Z) or an age (90d, 12h, 30m) "
      "is wanted",
      flag, text);
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  return printable(text);
}

std::string cell(const Json& value) {
  return value.is_string() ? one_line(value.get<std::string>())
         : value.is_null() ? "-"
                           : value.dump();
}

std::string shown_snippet(std::string_view snippet, const Styles& style) {
  std::string shown;
  while (!snippet.empty()) {
    const size_t end = std::min(snippet.find_first_of("\x01\x02"), snippet.size());
    shown += one_line(std::string(snippet.substr(0, end)));
    if (end < snippet.size()) {
      const bool opens = snippet[end] == '\x01', styled = !style.bold.empty();
      shown += styled ? (opens ? style.bold : style.reset) : opens ? "[" : "]";
    }
    snippet.remove_prefix(std::min(end + 1, snippet.size()));
  }
  return shown;
}

// What was erased, when and by which flags.
void show_erasures(const std::vector<TraceLine>& lines, const Styles& style, int width) {
  if (lines.empty()) return fmt::print(stderr, "nothing was erased\n");
  fmt::print("{}{:>6}  {:<20}  {:<20}  {}{}\n", style.dim, "id", "time", "by", "erased",
             style.reset);
  for (const TraceLine& line : lines) {
    const Json s = trace_summary(line);
    const std::string head = fmt::format("{:>6}  {:<20}  {:<20}  ", line.id, cell(s["time"]),
                                         fit_width(cell(s["reason"]), 20));
    fmt::print("{}{}\n", head,
               fit_width(cell(s["erased"]), std::max(10, width - display_width(head))));
  }
}

Result<void> list(TraceLog& log, const TraceOptions& o) {
  R1_TRY(const auto lines, log.list(o.filter));
  if (o.json) {
    for (const TraceLine& line : lines) fmt::print("{}\n", dump(trace_summary(line)));
    return {};
  }
  const Terminal to = terminal(1);
  const Styles style = styles(to);
  const int width = to.interactive ? to.width : 160;
  if (o.filter.erased) {
    show_erasures(lines, style, width);
    return {};
  }
  if (lines.empty()) fmt::print(stderr, "no traces{}\n", o.filter.search.empty() ? "" : " found");
  if (!lines.empty())
    fmt::print("{}{:>6}  {:<20}  {:<20}  {:<8}  {:>7}  {:>6}  {:<9}  {}{}\n", style.dim, "id",
               "time", "model", "key", "thought", "answer", "finish", "prompt", style.reset);
  for (const TraceLine& line : lines) {
    const Json s = trace_summary(line);
    const std::string head =
        fmt::format("{:>6}  {:<20}  {:<20}  {:<8}  {:>7}  {:>6}  {:<9}  ", line.id, cell(s["time"]),
                    fit_width(cell(s["model"]), 20), fit_width(cell(s["key"]), 8),
                    cell(s["thought_tokens"]), cell(s["answer_tokens"]), cell(s["finish"]));
    fmt::print("{}{}\n", head,
               fit_width(cell(s["prompt"]), std::max(10, width - display_width(head))));
    if (!line.snippet.empty()) fmt::print("        {}\n", shown_snippet(line.snippet, style));
  }
  return {};
}

Result<void> show(TraceLog& log, const TraceOptions& o) {
  R1_TRY(const auto ids, ids_of(o.words));
  if (ids.empty()) return error("r1 trace show ID: which?");
  for (const int64_t id : ids) {
    R1_TRY(const TraceLine line, wanted_trace(log, id));
    fmt::print("{}", o.json ? dump(trace_whole(line)) + "\n" : show_trace(line));
  }
  return {};
}

// What the ids name, else what the filter finds, oldest first.
Result<std::vector<int64_t>> chosen(TraceLog& log, const TraceOptions& o) {
  return o.words.empty() ? log.matching(o.filter) : ids_of(o.words);
}

Result<void> export_traces(TraceLog& log, const TraceOptions& o) {
  R1_TRY(const auto ids, chosen(log, o));
  std::optional<AtomicFile> file;
  if (!o.out.empty()) {
    R1_TRY(AtomicFile made, AtomicFile::create(o.out));
    file.emplace(std::move(made));
  }
  for (const int64_t id : ids) {
    R1_TRY(const TraceLine line, wanted_trace(log, id));
    std::string text;
    if (o.format == "jsonl") {
      Json json = {{"id", id}};
      json.update(line.content);
      json["chain"] = line.chain;
      text = dump(json) + "\n";
    } else {
      text = trace_markdown(line);
    }
    if (file) {
      R1_DO(file->write(text));
    } else {
      fmt::print("{}", text);
    }
  }
  return file ? file->commit() : Result<void>();
}

Result<void> erase(TraceLog& log, const TraceOptions& o) {
  const TraceFilter& f = o.filter;
  const bool filtered = !f.key.empty() || !f.user.empty() || !f.model.empty() || f.since || f.until;
  if (o.words.empty() && !filtered && !o.all)
    return error("r1 trace erase: which? ids, --user, --key, --model, --since, --older, or --all");
  if (!o.words.empty() && (filtered || o.all))
    return error("r1 trace erase: ids or flags, not both");
  R1_TRY(const auto ids, chosen(log, o));
  std::string reason = "ids";
  if (o.words.empty()) {
    reason = o.all ? "all" : "";
    const auto because = [&](std::string_view name, const std::string& value) {
      if (!value.empty()) reason += fmt::format("{}{} {}", reason.empty() ? "" : ", ", name, value);
    };
    because("key", f.key);
    because("user", f.user.empty() ? "" : "-");  // whose name is to be forgotten
    because("model", f.model);
    because("since", o.since);
    because("older", o.older);
  }
  R1_TRY(const int64_t n, log.erase(ids, reason));
  fmt::print("erased {} trace{}\n", n, n == 1 ? "" : "s");
  return {};
}

Result<void> verify(TraceLog& log, const TraceOptions& o) {
  R1_TRY(const auto v, log.verify(o.head));
  if (v.bad > 0) return error("line {} of the log {}; those before it hold", v.bad, v.reason);
  fmt::print("{} lines hold: {} traces, {} erased, {} erasures\nhead {}\n", v.lines,
             v.lines - v.erased - v.erasures, v.erased, v.erasures, v.head.empty() ? "-" : v.head);
  return {};
}

Result<void> run(TraceOptions o) {
  if (!file_exists(o.file))
    return error("{}: there is no log of traces; r1 serve --traces keeps one", o.file);
  R1_TRY(TraceLog log, TraceLog::open(o.file));
  if (!o.since.empty()) {
    R1_TRY(o.filter.since, parse_when("--since", o.since));
  }
  if (!o.older.empty()) {
    R1_TRY(o.filter.until, parse_when("--older", o.older));
  }
  const bool takes_words = o.verb != "list" && o.verb != "verify";
  if (!takes_words && !o.words.empty())
    return error("r1 trace {}: {:?} is too much", o.verb, o.words[0]);
  if (o.verb == "search") {
    o.filter.search = fmt::format("{}", fmt::join(o.words, " "));
    if (o.words.empty()) return error("r1 trace search WORDS: for what?");
  }
  if (o.verb == "list" || o.verb == "search") return list(log, o);
  if (o.verb == "show") return show(log, o);
  if (o.verb == "export") return export_traces(log, o);
  if (o.verb == "erase") return erase(log, o);
  if (o.verb == "verify") return verify(log, o);
  R1_TRY(const auto ids, chosen(log, o));
  return replay_traces(log, ids, o);
}

}  // namespace

Result<TraceLine> wanted_trace(TraceLog& log, int64_t id) {
  R1_TRY(auto line, log.find(id));
  if (!line) return error("there is no trace {}: r1 trace list shows them", id);
  if (line->content.is_null()) return error("trace {} was erased", id);
  if (is_erasure(*line))
    return error("{} is no trace: it says what was erased: {}", id, dump(line->content));
  return *std::move(line);
}

Run declare_trace(CLI::App& app) {
  const auto options = std::make_shared<TraceOptions>();
  TraceOptions* o = options.get();
  o->file = state_path("traces.db");
  app.add_option("VERB", o->verb, "list, show, search, export, erase, verify or replay")
      ->required()
      ->check(CLI::IsMember({"list", "show", "search", "export", "erase", "verify", "replay"}))
      ->type_name("");
  app.add_option("WORDS", o->words,
                 "show, export, erase, replay: ids of traces; search: words that all occur, "
                 "\"a phrase\", begin*")
      ->type_name("");
  app.add_option("--file", o->file, "the log; default: ~/.local/state/r1/traces.db")
      ->type_name("FILE");
  app.add_option("--key", o->filter.key, "those asked with this key's id")->type_name("ID");
  app.add_option("--user", o->filter.user, "those a request named this user in")->type_name("NAME");
  app.add_option("--model", o->filter.model, "those of this model")->type_name("NAME");
  app.add_option("--since", o->since,
                 "those from then on: 2026-11-27, 2026-11-27T20:41:00Z, 2d, 12h")
      ->type_name("WHEN");
  app.add_option("--older", o->older, "those before then: 90d, 2026-11-27")->type_name("WHEN");
  app.add_option("--limit", o->filter.limit, "list, search: at most so many; default: 50")
      ->check(CLI::Range(int64_t{1}, kAll))
      ->type_name("N");
  app.add_flag("--erased", o->filter.erased, "list: what was erased, when and why");
  app.add_flag("--json", o->json, "list, show, search, replay: JSON");
  add_choice(app, "--format", "jsonl|markdown", "export: default jsonl", [o](const std::string& v) {
    o->format = v;
    return v == "jsonl" || v == "markdown";
  });
  app.add_option("-o,--output", o->out, "export: a file; default: standard output")
      ->type_name("OUT");
  app.add_flag("--all", o->all, "erase: every trace");
  app.add_option("--head", o->head, "verify: the hash of a line that was noted earlier")
      ->type_name("HASH");
  app.add_option("--weights", o->model_file, "replay: where the model is; default: where it was")
      ->type_name("MODEL");
  app.add_option("--threads", o->threads, "replay: default: all cores")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  return [options] { return run(*options); };
}

}  // namespace r1

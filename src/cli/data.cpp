// r1 data: problems and texts by name and seed, what a file of examples holds, and one form of
// examples out of another.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "base/file.h"
#include "base/fnv.h"
#include "base/units.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "format/hf_config.h"
#include "grade/countdown_problems.h"
#include "grade/task.h"
#include "infer/prompt.h"
#include "infer/vocab_spec.h"
#include "text/csv.h"
#include "text/jsonl.h"
#include "text/printable.h"
#include "train/dataset.h"
#include "train/known_metrics.h"
#include "train/recipe.h"
#include "train/setup.h"

namespace r1 {

const char* const data_examples =
    "Examples:\n"
    "  r1 data list                                       tasks and generators\n"
    "  r1 data make countdown3 --n 1000 --seed 1          problems to train on, as JSONL\n"
    "  r1 data make countdown3 --held-out                 those never trained on\n"
    "  r1 data make texts:puzzles --n 3                 texts to pre-train on\n"
    "  r1 data inspect train.jsonl --model model.gguf     counts, lengths, duplicates, leaks\n"
    "  r1 data convert gsm8k.jsonl --to messages          {\"question\", \"answer\"} to "
    "{\"messages\"}\n"
    "  r1 data convert chats.jsonl --to ids --model m.gguf\n"
    "\n"
    "A problem is held out, from pre-training and reinforcement alike, if FNV-1a-64 of its numbers "
    "in ascending order,\n"
    "joined by commas, is divisible by 5.\n";

namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kFileLimit = uint64_t{4} << 30;
constexpr std::string_view kTexts = "texts:";  // before a generator's name

struct Options {
  std::string verb, out, model, to = "messages", question, answer;
  std::vector<std::string> names;
  int64_t n = 100;
  uint64_t seed = 1;
  bool held_out = false;
};

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Standard output, or a file that appears whole.
class Output {
 public:
  static Result<Output> open(const std::string& path) {
    Output out;
    if (!path.empty()) {
      R1_TRY(auto file, AtomicFile::create(path));
      out.file_.emplace(std::move(file));
    }
    return out;
  }
  Result<void> write(const std::string& text) {
    if (file_) return file_->write(text);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return {};
  }
  Result<void> commit() { return file_ ? file_->commit() : Result<void>(); }

 private:
  std::optional<AtomicFile> file_;
};

// list

Result<void> list() {
  fmt::print("{:<18}{:>10}{:>10}\n", "task", "training", "held out");
  for (const Task& task : tasks()) {
    if (!task.problems) {
      fmt::print("{:<18}{:>20}  {}\n", task.name, "a file's", task.summary);
      continue;
    }
    const ProblemSet set(task);
    fmt::print("{:<18}{:>10}{:>10}  {}\n", task.name, set.n_training(), set.n_held_out(),
               task.summary);
  }
  for (const TextSource& source : text_sources())
    fmt::print("{:<18}{:>10}{:>10}  texts to pre-train on, by number\n",
               fmt::format("{}{}", kTexts, source.name), "endless", "none");
  return {};
}

// make

Json problem_line(const Task& task, const Problem& p) {
  return {{"task", task.name}, {"prompt", p.prompt}, {"nums", p.numbers}, {"target", p.target}};
}

Result<void> make(const Options& o) {
  if (o.names.size() != 1) return error("make: one task or generator; r1 data list names them");
  const std::string_view name = o.names[0];
  R1_TRY(Output out, Output::open(o.out));
  if (name.starts_with(kTexts)) {
    const auto source =
        std::ranges::find(text_sources(), name.substr(kTexts.size()), &TextSource::name);
    if (source == text_sources().end())
      return error("no generator {}: r1 data list names them", name);
    if (o.held_out) return error("{} never has a held-out problem", name);
    const TextGenerator text = source->make({});
    for (int64_t i = 0; i < o.n; ++i) {
      const GeneratedText made = text(o.seed, static_cast<uint64_t>(i));
      R1_DO(out.write(dump({{"text", made.given + made.wanted}})));
    }
    return out.commit();
  }
  R1_TRY(const Task* const task, find_task(name));
  if (!task->problems) return error("{}: its problems are lines of a file, not made", name);
  const ProblemSet set(*task);
  if (o.held_out) {
    for (size_t i = 0; i < set.n_held_out(); ++i)
      R1_DO(out.write(dump(problem_line(*task, set.held_out(i)))));
  } else {
    for (int64_t i = 0; i < o.n; ++i)
      R1_DO(out.write(dump(problem_line(*task, set.training(o.seed, static_cast<uint64_t>(i))))));
  }
  return out.commit();
}

// What turns text into tokens, where a model is named.
struct Words {
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;

  static Result<Words> of(const std::string& model) {
    Words words;
    if (model.empty()) return words;
    R1_TRY(const WeightFile file, WeightFile::open(model));
    R1_TRY(words.tokenizer, load_tokenizer(file));
    R1_TRY(const auto source, chat_template_source(file));
    if (source) {
      R1_TRY(words.chat_template, ChatTemplate::parse(*source));
    }
    return words;
  }
  DatasetOptions options() const {
    DatasetOptions o;
    o.tokenizer = tokenizer ? &*tokenizer : nullptr;
    o.chat_template = chat_template ? &*chat_template : nullptr;
    o.turns = Turns::kAll;
    o.max_tokens = int64_t{1} << 40;
    o.vocab_size = tokenizer ? tokenizer->size() : INT32_MAX;
    return o;
  }
};

template <class Take>  // Result<void> take(line)
Result<void> for_each_line(const std::string& path, Take take) {
  R1_TRY(const std::string text, read_file(path, kFileLimit));
  return for_each_jsonl_line(text, [&](std::string_view line, int64_t number) -> Result<void> {
    if (auto ok = take(line); !ok)
      return std::move(ok).error().in(fmt::format("{}:{}", path, number));
    return {};
  });
}

// inspect

// The ways problems are put: their numbers stand between the two, with nothing but signs.
constexpr struct {
  std::string_view lead, end;
} kProblemForms[] = {{"Use ", " to make"},
                     {"numbers [", "]"},
                     {"Compute ", "."},
                     {"Solve ", "."},
                     {"nums\":[", "]"}};

// Whether the text puts a held-out problem.
bool leaks(std::string_view text) {
  for (const auto& form : kProblemForms) {
    for (size_t at = 0; (at = text.find(form.lead, at)) != std::string_view::npos;) {
      at += form.lead.size();
      const std::string_view inside = text.substr(at, text.substr(at).find(form.end));
      if (inside.find_first_not_of("0123456789 ,+-*=x") != std::string_view::npos) continue;
      std::vector<int64_t> numbers;
      for (size_t i = 0; i < inside.size();) {
        const size_t digits = inside.find_first_not_of("0123456789", i);
        const std::string_view number = inside.substr(i, digits - i);
        if (!number.empty() && number.size() < 18)
          numbers.push_back(std::stoll(std::string(number)));
        i += std::max<size_t>(1, number.size());
      }
      if (numbers.size() > 1 && held_out(numbers)) return true;
    }
  }
  return false;
}

// All the text of a line, whatever its form.
void collect_text(const Json& json, std::string& text) {
  if (json.is_string()) (text += json.get<std::string>()) += '\n';
  if (json.is_structured())
    for (const Json& part : json) collect_text(part, text);
}

Result<void> inspect(const Options& o) {
  if (o.names.empty()) return error("inspect: which files?");
  R1_TRY(const Words words, Words::of(o.model));
  int64_t lines = 0, duplicates = 0, leaked = 0, wanted = 0, bytes = 0;
  std::vector<std::pair<std::string, int64_t>> kinds;
  std::vector<int64_t> lengths;
  std::unordered_set<uint64_t> seen;
  std::string first_leak, first_duplicate;
  for (const std::string& path : o.names) {
    R1_DO(for_each_line(path, [&](std::string_view line) -> Result<void> {
      R1_TRY(const Json json, parse_jsonl_line(line));
      ++lines;
      bytes += std::ssize(line);
      std::string kind = "other";
      for (const char* name : {"messages", "text", "ids", "nums"})
        if (json.contains(name)) kind = name;
      auto it = std::ranges::find(kinds, kind, &std::pair<std::string, int64_t>::first);
      if (it == kinds.end()) it = kinds.insert(it, {kind, 0});
      ++it->second;
      if (!seen.insert(fnv1a64(line)).second && ++duplicates == 1)
        first_duplicate = line.substr(0, 60);
      std::string text;
      collect_text(json, text);
      const auto nums = json.find("nums");
      if (nums != json.end()) text += "nums\":" + nums->dump();
      if (leaks(text) && ++leaked == 1) first_leak = line.substr(0, 60);
      if (words.tokenizer && kind != "other" && kind != "nums") {
        R1_TRY(const Example e, parse_example(line, 0, words.options()));
        lengths.push_back(std::ssize(e.ids));
        wanted += std::ranges::count(e.wanted, true);
      }
      return {};
    }));
  }
  if (lines == 0) return error("{}: no lines", o.names[0]);
  fmt::print("lines        {} ({})\n", format_grouped(static_cast<uint64_t>(lines)),
             format_bytes(static_cast<uint64_t>(bytes)));
  for (const auto& [kind, n] : kinds) fmt::print("  {:<11}{}\n", kind, n);
  fmt::print("duplicates   {}{}\n", duplicates,
             duplicates > 0 ? ", first: " + printable(first_duplicate) : "");
  fmt::print("held-out     {} lines put a held-out problem{}\n", leaked,
             leaked > 0 ? ", first: " + printable(first_leak) : "");
  if (lengths.empty()) return {};
  std::ranges::sort(lengths);
  int64_t total = 0;
  for (const int64_t n : lengths) total += n;
  const auto at = [&](double share) {
    return lengths[static_cast<size_t>(share * static_cast<double>(lengths.size() - 1))];
  };
  fmt::print("tokens       {}, {} of them predicted when all turns are trained\n",
             format_grouped(static_cast<uint64_t>(total)),
             format_grouped(static_cast<uint64_t>(wanted)));
  fmt::print("  a line     {} to {}, mean {:.1f}, median {}, 95 % up to {}\n", lengths.front(),
             lengths.back(), static_cast<double>(total) / static_cast<double>(lengths.size()),
             at(0.5), at(0.95));
  return {};
}

// convert

// The records of a file: lines of JSON, or rows of CSV under their header.
Result<void> for_each_record(const std::string& path,
                             const std::function<Result<void>(const Json&)>& take) {
  if (!path.ends_with(".csv")) {
    return for_each_line(path, [&](std::string_view line) -> Result<void> {
      R1_TRY(const Json json, parse_jsonl_line(line));
      return take(json);
    });
  }
  R1_TRY(const std::string text, read_file(path, kFileLimit));
  auto rows = parse_csv(text);
  if (!rows) return std::move(rows).error().in(path);
  for (size_t i = 1; i < rows->size(); ++i) {
    const auto &header = rows->front(), &row = (*rows)[i];
    if (row.size() != header.size())
      return error("{}: row {} has {} fields, the header {}", path, i, row.size(), header.size());
    Json record = Json::object();
    for (size_t j = 0; j < row.size(); ++j) record[header[j]] = row[j];
    R1_DO(take(record));
  }
  return {};
}

Result<std::string> text_field(const Json& record, const std::string& chosen,
                               std::initializer_list<const char*> usual) {
  for (const char* name : usual) {
    const auto it = record.find(chosen.empty() ? std::string(name) : chosen);
    if (it != record.end() && it->is_string()) return it->get<std::string>();
    if (!chosen.empty()) break;
  }
  std::string there;
  for (const auto& [name, value] : record.items()) there += (there.empty() ? "" : ", ") + name;
  return error("no text {}; there are {}: see --question and --answer",
               chosen.empty() ? *usual.begin() : chosen.c_str(), there);
}

// GSM8K's answers end in "#### 1,234": what follows is the result.
std::string result_of(std::string answer) {
  constexpr std::string_view kMark = "#### ";
  const size_t at = answer.rfind(kMark);
  if (at == std::string::npos) return answer;
  answer.erase(0, at + kMark.size());
  std::erase(answer, ',');
  return answer;
}

class Converter {
 public:
  Converter(const Options& o, const Words& words)
      : o_(o),
        words_(words),
        builder_(words.chat_template ? &*words.chat_template : nullptr,
                 words.tokenizer ? &*words.tokenizer : nullptr, o.model) {}

  Result<Json> convert(const Json& record) const {
    if (o_.to == "prompts") {
      R1_TRY(const std::string question, text_field(record, o_.question, {"question", "problem"}));
      R1_TRY(const std::string answer, text_field(record, o_.answer, {"answer", "response"}));
      return Json{{"prompt", question}, {"answer", result_of(answer)}};
    }
    Json line = record;
    if (!record.contains("messages") && !record.contains("text") && !record.contains("ids")) {
      R1_TRY(const std::string question,
             text_field(record, o_.question, {"question", "problem", "prompt"}));
      R1_TRY(const std::string answer, text_field(record, o_.answer, {"answer", "response"}));
      line = {{"messages",
               {{{"role", "user"}, {"content", question}},
                {{"role", "assistant"}, {"content", answer}}}}};
    }
    if (o_.to == "messages") {
      if (!line.contains("messages")) return error("it has no turns: messages cannot be made");
      return line;
    }
    if (!words_.tokenizer) return error("--to {} needs --model", o_.to);
    if (o_.to == "ids") {
      R1_TRY(const Example e, parse_example(line.dump(), 0, words_.options()));
      return Json{{"ids", e.ids}};
    }
    if (line.contains("text")) return line;
    if (!line.contains("messages")) return error("ids are text no more");
    R1_TRY(const std::string text, builder_.render(line["messages"], Think::kAuto, nullptr, false));
    return Json{{"text", readable(text)}};
  }

 private:
  const Options& o_;
  const Words& words_;
  PromptBuilder builder_;
};

Result<void> convert(const Options& o) {
  if (o.names.size() != 1) return error("convert: one file, JSONL or .csv");
  R1_TRY(const Words words, Words::of(o.model));
  const Converter converter(o, words);
  R1_TRY(Output out, Output::open(o.out));
  R1_DO(for_each_record(o.names[0], [&](const Json& record) -> Result<void> {
    R1_TRY(const Json line, converter.convert(record));
    return out.write(dump(line));
  }));
  return out.commit();
}

Result<void> run(const Options& o) {
  if (o.verb == "list") return list();
  if (o.verb == "make") return make(o);
  if (o.verb == "inspect") return inspect(o);
  return convert(o);
}

}  // namespace

Run declare_data(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("VERB", o->verb, "list, make, inspect or convert")
      ->required()
      ->check(CLI::IsMember({"list", "make", "inspect", "convert"}))
      ->type_name("");
  app.add_option("NAMES", o->names, "of make: a task or generator; of the others: files")
      ->type_name("");
  app.add_option("--n", o->n, "make: how many")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--seed", o->seed, "make: line i is a function of it and i")
      ->type_name("S")
      ->capture_default_str();
  app.add_flag("--held-out", o->held_out, "make: the held-out problems, all of them");
  app.add_option("--model", o->model, "whose tokenizer and chat template count and convert")
      ->type_name("MODEL");
  add_choice(app, "--to", "messages|prompts|text|ids", "convert: the form wanted",
             [o](const std::string& v) {
               o->to = v;
               return v == "messages" || v == "prompts" || v == "text" || v == "ids";
             });
  app.add_option("--question", o->question, "convert: the field that asks; default: question")
      ->type_name("FIELD");
  app.add_option("--answer", o->answer, "convert: the field that answers; default: answer")
      ->type_name("FIELD");
  app.add_option("-o,--output", o->out, "a file; default: standard output")->type_name("OUT");
  return [o] { return run(*o); };
}

}  // namespace r1

#include "train/dataset.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/rng.h"
#include "infer/prompt.h"
#include "text/jsonl.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kLineLimit = 64 << 20;             // bytes
constexpr uint64_t kWindowStream = 0x77696e646f77;  // "window"

// A short beginning of a text that may hold anything, for errors.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string out =
      Json(text.substr(0, kMost)).dump(-1, ' ', true, nlohmann::detail::error_handler_t::replace);
  return text.size() > kMost ? out + "..." : out;
}

Result<Json> parse_line(std::string_view line) {
  if (line.size() > kLineLimit)
    return error("a line of {} bytes; at most {} are read", line.size(), kLineLimit);
  try {
    Json json = Json::parse(line);
    if (!json.is_object()) return error("{}: an object expected", shown(line));
    return json;
  } catch (const nlohmann::json::parse_error& e) {
    return error("{}: no JSON at byte {}", shown(line), e.byte);
  } catch (const nlohmann::json::out_of_range&) {
    return error("{}: a number that is too large", shown(line));
  }
}

Result<void> from_ids(const Json& list, Example& e) {
  if (!list.is_array()) return error("\"ids\": a list of token ids expected");
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      return error("\"ids\": {} is no token id", id.is_number() ? id.dump() : shown(id.dump()));
    e.ids.push_back(id.get<int32_t>());
  }
  e.wanted.assign(e.ids.size(), true);
  return {};
}

Result<void> from_text(const Json& text, const DatasetOptions& o, Example& e) {
  if (!text.is_string()) return error("\"text\": a text expected");
  const Tokenizer& t = *o.tokenizer;
  e.ids = t.encode(text.get_ref<const std::string&>(), o.parse_special);
  if (t.add_bos() && t.bos()) e.ids.insert(e.ids.begin(), *t.bos());
  if (t.eos()) e.ids.push_back(*t.eos());
  e.wanted.assign(e.ids.size(), true);
  return {};
}

std::string_view trimmed(std::string_view text) {
  constexpr const char* kBlank = " \n\t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// The thoughts that a message holds, or "".
std::string_view thought_of(const Json& message) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  if (!message.contains("content") || !message["content"].is_string()) return {};
  const std::string_view said = message["content"].get_ref<const std::string&>();
  const size_t end = said.find(kClose);
  if (end == said.npos) return {};
  const size_t begin = said.find(kOpen);
  std::string_view thought = said.substr(0, end);
  if (begin < end) thought.remove_prefix(begin + kOpen.size());
  return trimmed(thought);
}

// The rendered conversation in pieces, so that each turn's tokens are those that the model would
// have drawn: a prompt ends where the assistant begins to speak, and is tokenized by itself.
class Conversation {
 public:
  Conversation(const Json& messages, const Json* tools, const DatasetOptions& options)
      : messages_(messages),
        tools_(tools),
        options_(options),
        builder_(options.chat_template, options.tokenizer, "the model") {}

  Result<void> read(Example& e) {
    R1_TRY(whole_, rendered(messages_.size(), false));
    for (size_t i = 0; i < messages_.size(); ++i) {
      if (chosen(i)) R1_DO(turn(i, e));
    }
    if (done_ == 0) return error("\"messages\": no turn of the assistant");
    add(whole_.substr(done_), false, e);
    return {};
  }

 private:
  Result<std::string> rendered(size_t n, bool generation_prompt) const {
    const Json first(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(n));
    return builder_.render(first, Think::kAuto, tools_, generation_prompt);
  }

  bool is_assistant(size_t i) const { return messages_[i]["role"] == "assistant"; }
  bool chosen(size_t i) const {
    if (options_.turns == Turns::kAll) return i + 1 == messages_.size();
    if (!is_assistant(i)) return false;
    if (options_.turns == Turns::kAssistant) return true;
    for (size_t j = i + 1; j < messages_.size(); ++j) {
      if (is_assistant(j)) return false;
    }
    return true;
  }

  // With Turns::kAll one piece is the whole conversation.
  Result<void> turn(size_t i, Example& e) {
    if (options_.turns == Turns::kAll) {
      add(whole_, true, e);
      done_ = whole_.size();
      return {};
    }
    if (i == 0) return error("\"messages\": the assistant speaks first");
    R1_TRY(const std::string before, rendered(i, true));
    R1_TRY(const std::string after, rendered(i + 1, false));
    // The prompt may open a thought that the turn repeats; where they part, the turn begins.
    const auto begin =
        static_cast<size_t>(std::ranges::mismatch(before, after).in2 - after.begin());
    if (after.find(thought_of(messages_[i]), begin) == after.npos) {
      return error(
          "the chat template leaves out the thought of message {}: \"data.chat_template\" names "
          "one "
          "that keeps it",
          i);
    }
    const std::string_view rest = trimmed(std::string_view(before).substr(begin));
    const bool joins = begin >= done_ && (rest.empty() || rest.starts_with("<think>"));
    if (!whole_.starts_with(after) || !joins) {
      return error(
          "the chat template changes message {} when another follows: \"data.turns\" = \"last\" "
          "trains the last one alone",
          i);
    }
    add(std::string_view(whole_).substr(done_, begin - done_), false, e);
    add(std::string_view(whole_).substr(begin, after.size() - begin), true, e);
    done_ = after.size();
    return {};
  }

  void add(std::string_view text, bool wanted, Example& e) const {
    const std::vector<int32_t> ids = options_.tokenizer->encode(text, true);
    size_t n = ids.size();
    if (wanted) {  // up to the token that ends the turn; templates may put a line's end behind it
      const auto ends = options_.tokenizer->end_ids();
      while (n > 0 && std::ranges::find(ends, ids[n - 1]) == ends.end()) --n;
      if (n == 0) n = ids.size();
    }
    e.ids.insert(e.ids.end(), ids.begin(), ids.end());
    for (size_t i = 0; i < ids.size(); ++i) e.wanted.push_back(wanted && i < n);
  }

  const Json& messages_;
  const Json* tools_;
  const DatasetOptions& options_;
  PromptBuilder builder_;
  std::string whole_;
  size_t done_ = 0;  // bytes of it
};

// A question and its answer, under the names that the options give.
Result<Json> as_messages(const Json& line, const DatasetOptions& o) {
  Json messages = Json::array();
  for (const auto& [field, role] :
       {std::pair(&o.prompt_field, "user"), std::pair(&o.answer_field, "assistant")}) {
    if (!line.contains(*field) || !line[*field].is_string())
      return error("no text {}", shown(*field));
    messages.push_back({{"role", role}, {"content", line[*field]}});
  }
  return Json{{"messages", std::move(messages)}};
}

Result<void> from_messages(const Json& line, const DatasetOptions& o, Example& e) {
  const Json& messages = line["messages"];
  if (!messages.is_array() || messages.empty())
    return error("\"messages\": a list with at least one message expected");
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object() || !messages[i].contains("role"))
      return error("\"messages\": message {} has no role", i);
  }
  if (!o.chat_template)
    return error("\"messages\": the model has no chat template; \"data.chat_template\" names one");
  const Json* tools = line.contains("tools") ? &line["tools"] : nullptr;
  return Conversation(messages, tools, o).read(e);
}

// Ids are the model's, something is wanted, and it is not too long.
Result<void> finish(Example& e, uint64_t key, const DatasetOptions& o) {
  for (const int32_t id : e.ids) {
    if (id < 0 || id >= o.vocab_size)
      return error("token {}: the model knows {}", id, o.vocab_size);
  }
  const auto n = std::ssize(e.ids);
  if (n > o.max_tokens) {
    if (o.too_long == TooLong::kRefuse)
      return error(
          "{} tokens, above data.max_tokens {}; \"data.too_long\" can leave such examples out, cut "
          "them or take a window",
          n, o.max_tokens);
    e.cut = true;
    if (o.too_long == TooLong::kDrop) {
      e.ids.clear();
      e.wanted.clear();
      return {};
    }
    const double place = o.too_long == TooLong::kCut ? 0 : uniform(o.seed, kWindowStream, key);
    const auto first =
        static_cast<std::ptrdiff_t>(place * static_cast<double>(n - o.max_tokens + 1));
    e.ids.erase(e.ids.begin(), e.ids.begin() + first);
    e.wanted.erase(e.wanted.begin(), e.wanted.begin() + first);
    e.ids.resize(static_cast<size_t>(o.max_tokens));
    e.wanted.resize(e.ids.size());
  }
  if (!e.wanted.empty()) e.wanted[0] = false;  // nothing comes before it
  if (std::ranges::find(e.wanted, true) != e.wanted.end()) return {};
  if (!e.cut) return error("nothing in it is predicted from anything");
  e.ids.clear();  // what was wanted has been cut off
  e.wanted.clear();
  return {};
}

struct Line {
  uint32_t file = 0;
  uint32_t number = 0;  // from 1
  uint64_t begin = 0;
};

class Jsonl final : public Dataset {
 public:
  explicit Jsonl(const DatasetOptions& options) : options_(options) {}

  Result<void> add(const std::string& path) {
    R1_TRY(MappedFile file, MappedFile::open(path));
    const std::string_view text = text_of(file);
    R1_DO(for_each_jsonl_line(text, [&](std::string_view line, int64_t number) -> Result<void> {
      lines_.push_back({static_cast<uint32_t>(files_.size()), static_cast<uint32_t>(number),
                        static_cast<size_t>(line.data() - text.data())});
      return {};
    }));
    files_.push_back(std::move(file));
    return {};
  }

  int64_t size() const override { return std::ssize(lines_); }

  Result<Example> example(int64_t index, int64_t epoch) const override {
    R1_CHECK(index >= 0 && index < size());
    const Line& line = lines_[static_cast<size_t>(index)];
    const MappedFile& file = files_[line.file];
    const std::string_view rest = text_of(file).substr(line.begin);
    std::string where = fmt::format("{}:{}", file.path(), line.number);
    const auto key = static_cast<uint64_t>(epoch) << 40 | static_cast<uint64_t>(index);
    auto example = parse_example(rest.substr(0, rest.find('\n')), key, options_);
    if (!example) return std::move(example).error().in(where);
    example->where = std::move(where);
    return example;
  }

 private:
  static std::string_view text_of(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }

  DatasetOptions options_;
  std::vector<MappedFile> files_;
  std::vector<Line> lines_;
};

class Generated final : public Dataset {
 public:
  Generated(std::string name, uint64_t seed, TextGenerator generator, const DatasetOptions& options)
      : name_(std::move(name)), seed_(seed), generator_(std::move(generator)), options_(options) {}

  int64_t size() const override { return 0; }

  Result<Example> example(int64_t index, int64_t) const override {
    Example e;
    const auto i = static_cast<uint64_t>(index);
    const GeneratedText text = generator_(seed_, i);
    e.ids = options_.tokenizer->encode(text.given, true);
    e.wanted.assign(e.ids.size(), false);
    const auto wanted = options_.tokenizer->encode(text.wanted, true);
    e.ids.insert(e.ids.end(), wanted.begin(), wanted.end());
    e.wanted.resize(e.ids.size(), true);
    e.where = fmt::format("{} {}", name_, index);
    if (auto done = finish(e, i, options_); !done) return std::move(done).error().in(e.where);
    return e;
  }

 private:
  std::string name_;
  uint64_t seed_;
  TextGenerator generator_;
  DatasetOptions options_;
};

class Part final : public Dataset {
 public:
  Part(std::shared_ptr<const Dataset> whole, uint64_t seed, int64_t first, int64_t count)
      : whole_(std::move(whole)), seed_(seed), first_(first), count_(count) {
    R1_CHECK(first >= 0 && count >= 0 && first + count <= whole_->size());
  }

  int64_t size() const override { return count_; }

  Result<Example> example(int64_t index, int64_t epoch) const override {
    R1_CHECK(index >= 0 && index < count_);
    constexpr int64_t kOrder = -1;  // of no epoch
    return whole_->example(shuffled(seed_, kOrder, whole_->size(), first_ + index), epoch);
  }

 private:
  std::shared_ptr<const Dataset> whole_;
  uint64_t seed_;
  int64_t first_, count_;
};

}  // namespace

Result<Example> parse_example(std::string_view line, uint64_t key, const DatasetOptions& options) {
  R1_TRY(Json json, parse_line(line));
  if (!options.prompt_field.empty()) {
    R1_TRY(json, as_messages(json, options));
  }
  int kinds = 0;
  for (const char* kind : {"messages", "text", "ids"}) kinds += json.contains(kind);
  if (kinds != 1)
    return error("{}: one of \"messages\", \"text\" and \"ids\" expected", shown(line));
  Example e;
  if (json.contains("ids")) {
    R1_DO(from_ids(json["ids"], e));
  } else if (!options.tokenizer) {
    return error("the model has no tokenizer: {{\"ids\"}} lines are all it can learn");
  } else if (json.contains("text")) {
    R1_DO(from_text(json["text"], options, e));
  } else {
    R1_DO(from_messages(json, options, e));
  }
  R1_DO(finish(e, key, options));
  return e;
}

Result<std::unique_ptr<Dataset>> open_jsonl(std::span<const std::string> paths,
                                            const DatasetOptions& options) {
  auto set = std::make_unique<Jsonl>(options);
  for (const std::string& path : paths) R1_DO(set->add(path));
  if (set->size() == 0) return error("{}: no examples", fmt::join(paths, ", "));
  return std::unique_ptr<Dataset>(std::move(set));
}

std::unique_ptr<Dataset> generated(std::string name, uint64_t seed, TextGenerator generator,
                                   const DatasetOptions& options) {
  R1_CHECK(options.tokenizer);
  return std::make_unique<Generated>(std::move(name), seed, std::move(generator), options);
}

std::unique_ptr<Dataset> part(std::shared_ptr<const Dataset> whole, uint64_t seed, int64_t first,
                              int64_t count) {
  return std::make_unique<Part>(std::move(whole), seed, first, count);
}

// A Feistel network of four rounds over the next even power of two; what falls outside walks on
// until it falls inside (Black and Rogaway 2002, cycle walking).
int64_t shuffled(uint64_t seed, int64_t epoch, int64_t n, int64_t i) {
  R1_CHECK(i >= 0 && i < n);
  const auto half = static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  auto x = static_cast<uint64_t>(i);
  do {
    uint64_t left = x >> half, right = x & mask;
    for (uint32_t round = 0; round < 4; ++round) {
      const auto drawn =
          philox4x32({static_cast<uint32_t>(right), static_cast<uint32_t>(right >> 32),
                      static_cast<uint32_t>(epoch), round ^ 0x73687566u},
                     {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
      const uint64_t next = (left ^ drawn[0]) & mask;
      left = right;
      right = next;
    }
    x = left << half | right;
  } while (x >= static_cast<uint64_t>(n));
  return static_cast<int64_t>(x);
}

}  // namespace r1

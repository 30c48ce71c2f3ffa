// What a model is trained on: examples by number, and their order by key. JSONL files with a line
// {"messages": [...]}, {"text": ...} or {"ids": [...]} each, or a generator's texts. Example i is a
// pure function of (data, settings, i): nothing is remembered from one to the next.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

struct Example {
  std::vector<int32_t> ids;
  std::vector<bool> wanted;  // of each id: its prediction is trained; never ids[0]
  bool cut = false;          // was longer than max_tokens
  std::string where;         // "data.jsonl:17"

  bool empty() const { return ids.empty(); }  // was longer, and left out
};

enum class TooLong : uint8_t {
  kRefuse,  // an error
  kDrop,    // left out: the example is empty
  kCut,     // its first max_tokens tokens
  kWindow,  // max_tokens tokens from a place drawn by key
};
enum class Turns : uint8_t { kAssistant, kLast, kAll };  // whose tokens are wanted

struct DatasetOptions {
  const Tokenizer* tokenizer = nullptr;         // outlives the dataset; null: {"ids"} alone
  const ChatTemplate* chat_template = nullptr;  // may be null: no {"messages"} then
  Turns turns = Turns::kAssistant;
  std::string prompt_field = {},
              answer_field = {};  // names of a line's fields; none: no such lines
  int64_t max_tokens = 2048;
  TooLong too_long = TooLong::kRefuse;
  bool parse_special = false;  // of {"text"}: text that spells a control token becomes it
  int64_t vocab_size = 0;      // of the model: ids are below
  uint64_t seed = 0;           // of windows
};

// One line of a JSONL file. `key` is what a window's place is drawn by.
//   {"ids": [...]}       all but the first are wanted
//   {"text": ...}        likewise, between BOS (where the tokenizer adds it) and the end token
//   {"messages": [...]}  rendered by the chat template; of the turns that options.turns chooses,
//                        what was said and the token that ends it are wanted. "tools" may stand
//                        beside. Refused: a template that leaves out a thought, or changes a turn
//                        when another follows.
//   {PROMPT: ..., ANSWER: ...}  by the fields' names of the options: one message of each
// Errors say what was wrong; the caller adds where.
Result<Example> parse_example(std::string_view line, uint64_t key, const DatasetOptions& options);

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;  // examples of an epoch; 0: there is no end
  // 0 <= index (< size()); epochs differ by windows alone. Errors name file, line and what was
  // wrong.
  virtual Result<Example> example(int64_t index, int64_t epoch) const = 0;
};

// Files one after another, indexed by line; the texts stay in the mapped files. Lines end at '\n'
// alone; blank ones do not count.
Result<std::unique_ptr<Dataset>> open_jsonl(std::span<const std::string> paths,
                                            const DatasetOptions& options);

// Endless: example i is the text of number i, whole as it is: control tokens that it spells are
// meant, and nothing is put before or behind. What is given, its beginning, is not wanted; the two
// are tokenized apart.
struct GeneratedText {
  std::string given, wanted;
};
using TextGenerator = std::function<GeneratedText(uint64_t seed, uint64_t index)>;
std::unique_ptr<Dataset> generated(std::string name, uint64_t seed, TextGenerator generator,
                                   const DatasetOptions& options);

// `count` examples of a set that has an end, from place `first` of its order under a seed: parts of
// one order have nothing in common.
std::unique_ptr<Dataset> part(std::shared_ptr<const Dataset> whole, uint64_t seed, int64_t first,
                              int64_t count);

// The example that stands at place i when n are shuffled, 0 <= i < n: a permutation of [0, n),
// computed without storing it, for every (seed, epoch) another.
int64_t shuffled(uint64_t seed, int64_t epoch, int64_t n, int64_t i);

}  // namespace r1

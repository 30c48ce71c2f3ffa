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
};

enum class TooLong : uint8_t {
  kRefuse,  // an error
  kDrop,    // left out: the example is empty
  kCut,     // its first max_tokens tokens
  kWindow,  // max_tokens tokens from a place drawn by key
};
enum class Turns : uint8_t { kAssistant, kLast, kAll };  // whose tokens are wanted

struct DatasetOptions {
  const Tokenizer* tokenizer = nullptr;         // outlives the dataset
  const ChatTemplate* chat_template = nullptr;  // may be null: no {"messages"} then
  Turns turns = Turns::kAssistant;
  int64_t max_tokens = 2048;
  TooLong too_long = TooLong::kRefuse;
  bool parse_special = false;  // of {"text"}: text that spells a control token becomes it
  int64_t vocab_size = 0;      // of the model: ids are below
  uint64_t seed = 0;           // of windows
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;  // examples of an epoch; 0: there is no end
  // 0 <= index (< size()); `turn` distinguishes repetitions (windows). An empty example was
  // dropped. Errors name file, line and what was wrong.
  virtual Result<Example> example(int64_t index, int64_t epoch) const = 0;
};

// Files one after another, indexed by line; texts stay in the mapped files.
Result<std::unique_ptr<Dataset>> open_jsonl(std::span<const std::string> paths,
                                            const DatasetOptions& options);

// Endless: example i is the text of number i.
using TextGenerator = std::function<std::string(uint64_t seed, int64_t index)>;
std::unique_ptr<Dataset> generated(std::string name, TextGenerator generator,
                                   const DatasetOptions& options);

// The example that stands at place i of epoch e when n are shuffled: a permutation of [0, n),
// computed without storing it.
int64_t shuffled(uint64_t seed, int64_t epoch, int64_t n, int64_t i);

// One line of a file by itself, as open_jsonl reads it; `where` for errors.
Result<Example> parse_example(std::string_view line, std::string where, uint64_t window,
                              const DatasetOptions& options);

}  // namespace r1

// The one door to a loaded model: text in, thought and answer out, for one caller or many at once.
// Owns model, tokenizer, template, KV cache and batcher. Thread-safe: calls from many threads are
// batched.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "infer/grammar/grammar.h"
#include "infer/sampling.h"
#include "infer/speculation.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

// Who guesses the next tokens (infer/speculation.h): nobody, what the text itself has said before,
// the model's own multi-token prediction layer, or a smaller model.
enum class Speculate { kOff, kLookup, kMtp, kDraft };

struct EngineOptions {
  int threads = 0;  // 0: all cores
  Compute compute = Compute::kFast;
  DType kv_dtype = DType::kF16;
  int64_t context = 0;  // tokens; 0: sized from free memory, at most the model's own
  uint64_t memory = 0;  // bytes this engine may use; 0: what is free now
  std::function<void(uint64_t done, uint64_t total)> progress;
  Speculate speculate = Speculate::kLookup;
  std::string draft_model = {};           // of kDraft: what to open
  int64_t longest_draft = kLongestDraft;  // ids guessed at once, at most
  std::string adapter = {};               // PEFT's folder: low-rank updates of the model
  int max_waiting = 512;                  // generations in the queue; more are refused
};

struct Embedding;

enum class Think { kAuto, kOn, kOff };
std::string_view name(Think think);  // "auto", "on", "off"
std::optional<Think> parse_think(std::string_view name);

struct GenerateParams {
  SamplingParams sampling;
  int64_t max_tokens = -1;  // -1: up to the context
  std::vector<std::string> stop;
  int64_t think_budget = -1;  // tokens of thought after which it is closed; -1: none
  int64_t think_minimum = 0;  // while under it a closing tag is replaced and thinking goes on
  int top_logprobs = -1;      // -1: no log-probabilities
  bool split_thought = true;  // false: the tags of a thought are text of the answer
  GrammarPtr grammar;         // what the answer keeps to, never the thought; null: nothing
  std::string owner = {};     // whose it is: owners have their turns (infer/fair_share.h)
};

enum class FinishReason { kStop, kLength, kContext, kCancelled };
std::string_view name(FinishReason reason);  // "stop", "length", "context", "cancelled"

struct Piece {
  std::string thought, answer;  // either may be empty
  // Where log-probabilities were asked for: the tokens this piece came from, the end token
  // included. All pieces together hold every token of the sequence once; one that was forced upon
  // the model has log-probability 0.
  std::vector<Sampled> tokens;
  // Set at most once, where a model ends a thought it never opened: all that came as an answer
  // before was thought, and this piece's thought goes on from it.
  bool answer_was_thought = false;
  // Told so far, this piece's included.
  int64_t thought_tokens = 0, generated_tokens = 0;
};

struct Completion {
  std::string thought, answer;
  std::vector<int32_t> ids;  // that joined the sequence, the end id included
  FinishReason reason = FinishReason::kStop;
  std::string stopped_by;  // the stop string, where one ended it
  int64_t prompt_tokens = 0, cached_tokens = 0, thought_tokens = 0, generated_tokens = 0;
  double load_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
  int64_t drafted_tokens = 0, accepted_tokens = 0;  // guesses, and those that held
  double plain_seconds = 0;  // what decode_seconds would have been without them, about
  // Of experts that stay in the file, by all callers meanwhile: asked for, found in memory, and the
  // bytes read for the others. Zeros where all experts are in memory.
  uint64_t experts_asked = 0, experts_found = 0, expert_bytes_read = 0;
};

struct Prompt {
  std::vector<int32_t> ids;
  bool thinking = false;   // it ends inside a thought
  bool may_think = false;  // the model may open one itself
};

// What the assistant has said of its turn already; the model goes on from there. Without an answer
// a thought stays open.
struct Begun {
  std::string thought, answer;
};

// Hears one generation, from the engine's own worker: what it does there is quick.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void hear(Piece piece) = 0;                   // text or tokens that came, in order
  virtual void end(Result<Completion> completion) = 0;  // the last call, made once
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> load(const std::string& path,
                                              const EngineOptions& options);
  ~Engine();

  const Model& model() const;
  const Tokenizer* tokenizer() const;         // null for checkpoints without one
  const ChatTemplate* chat_template() const;  // null where the file has none
  bool reasoning() const;                     // the template or vocabulary knows <think>
  bool takes_tools() const;                   // the template has a place for tools
  int64_t context() const;                    // tokens
  SamplingParams recommended_sampling()
      const;                // generation_config, else R1's 0.6 / 0.95 for reasoning models
  uint64_t memory() const;  // bytes: weights, or those that stay and the cache of experts; pages
  std::string startup_line() const;  // device, instruction set, threads, memory, context

  // messages: [{"role","content",...}] as Hugging Face templates take them. Returns the rendered
  // prompt.
  Result<std::string> render(const nlohmann::ordered_json& messages, Think think,
                             const nlohmann::ordered_json* tools = nullptr) const;
  // Ids of a rendered prompt: control tokens of the template are parsed, those spelled by users are
  // not.
  Result<std::vector<int32_t>> tokenize_prompt(const nlohmann::ordered_json& messages, Think think,
                                               const nlohmann::ordered_json* tools = nullptr) const;

  // As tokenize_prompt; `begun` may be null.
  Result<Prompt> prompt(const nlohmann::ordered_json& messages, Think think,
                        const nlohmann::ordered_json* tools, const Begun* begun) const;
  // A text as it stands, its control tokens too, after BOS where the tokenizer adds one.
  Result<Prompt> prompt(std::string_view text) const;

  // on_piece is called as text appears, and with an empty piece while none does (a long prompt);
  // returning false cancels within one step. Blocks until done.
  // The prompt's length is checked first: an error names its tokens and the context.
  using OnPiece = std::function<bool(const Piece&)>;
  Result<Completion> chat(const nlohmann::ordered_json& messages, Think think,
                          const GenerateParams& params, const OnPiece& on_piece);
  Result<Completion> complete(std::vector<int32_t> prompt, std::string_view rendered,
                              const GenerateParams& params, const OnPiece& on_piece);

  // The same without a thread that waits. Refuses what complete() refuses before it begins; else
  // gives the number to cancel it by, and from then on the listener is told, at once perhaps.
  Result<uint64_t> submit(Prompt prompt, const GenerateParams& params,
                          std::shared_ptr<Listener> listener);
  // The vector of a text (infer/embedding.h), told from the engine's worker; as submit() otherwise.
  Result<uint64_t> embed(Prompt prompt, std::string owner,
                         std::function<void(Result<Embedding>)> tell);
  int64_t embedding_dim() const;
  void cancel(uint64_t number);  // within one step; the listener is told of the end all the same

  struct Load {  // as of the last step
    int64_t running = 0, waiting = 0, preemptions = 0, steps = 0;
    int64_t pages_used = 0, pages = 0;  // of the KV cache
  };
  Load load() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r1

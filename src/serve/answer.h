// From a request in nobody's dialect to the events of its answer, on the reply's strand: n choices
// are generated together, and told of in a dialect's words by a Voice.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "serve/accounts.h"
#include "serve/fields.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/model_folder.h"
#include "serve/places.h"
#include "serve/shelf.h"
#include "serve/tools.h"
#include "serve/trace_writer.h"

namespace r1 {

// What sampling a client asked for, to be laid over the model's own.
struct SamplingWish {
  std::optional<float> temperature, top_p, min_p, repetition, presence, frequency;
  std::optional<int32_t> top_k, last_n;
  std::vector<std::pair<int32_t, float>> logit_bias;
  std::optional<uint64_t> seed;  // none: a fresh one

  SamplingParams over(SamplingParams own) const;
};

using Text = std::variant<std::string, std::vector<int32_t>>;

struct Ask {
  std::string key = "-";  // the id of whose it is
  std::string path;       // where it came in
  std::string user;       // whom the client names as its own user
  std::string model;
  std::optional<double> keep_alive;  // seconds the model stays loaded
  nlohmann::ordered_json messages;   // a chat; or else
  std::vector<Text> texts;           // prompts as they stand, with n choices each
  std::optional<Begun> begun;
  Think think = Think::kAuto;
  SamplingWish sampling;
  GenerateParams params;  // but for the sampling
  Tools tools;
  nlohmann::ordered_json schema;  // of the answer, where it is to be JSON
  int n = 1;
  bool stream = false;
};

// Tells of one answer in a dialect's words: the bytes of each event. Choices are numbered over all
// prompts.
class Voice {
 public:
  struct Said {
    Completion completion;  // its answer without the calls
    std::vector<ToolCall> calls;
    std::vector<Sampled> tokens = {};  // where log-probabilities were asked for
    int64_t nanos = 0;                 // what it cost, in nano-dollars
  };

  virtual ~Voice() = default;
  virtual std::string_view stream_type() const = 0;
  virtual std::string heartbeat() const = 0;
  virtual std::string begin(int64_t prompt_tokens) = 0;
  virtual std::string piece(size_t choice, const Piece& piece) = 0;
  virtual std::string call(size_t choice, size_t index, const ToolCall& call) = 0;
  virtual std::string ended(size_t choice, const Said& said) = 0;
  virtual std::string finish(const std::vector<Said>& all) = 0;
  virtual std::string problem(const Problem& problem) = 0;  // in the middle of a stream
  virtual std::string whole(const std::vector<Said>& all) = 0;
};

using MakeVoice = std::function<std::unique_ptr<Voice>(const Lease& model)>;

// How a dialect refuses: the status it gives, and the body.
struct Refusal {
  int status;
  std::string body;
};
using Refuse = Refusal (*)(const Problem& problem);

void refuse(Reply& reply, const Problem& problem, Refuse words);

// What handlers share.
struct App {
  Shelf& shelf;
  Metrics& metrics;
  Accounts& accounts;
  Places places;                  // for generations under way
  bool strict_reasoning = false;  // R1's first API: reasoning_content in a request is an error
  ModelFolder folder{""};         // where models may be made, copied and deleted
  TraceWriter* traces = nullptr;  // null: none are kept
};

// Places of a key, given back at its end.
class Admission {
 public:
  Admission(App& app, std::string key) : app_(app), key_(std::move(key)) {}
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  // Takes n, once; or says what stands against it.
  std::optional<Problem> take(size_t n);

 private:
  App& app_;
  const std::string key_;
  int64_t n_ = 0;
};

// The system prompt and the options of a made model, where the request has none of its own.
void apply(const MadeFrom& made, Ask& ask);

// Calls `ready` on the strand once the model is loaded; refuses names nobody has, and models that
// cannot be loaded.
void with_model(App& app, const std::string& name, std::optional<double> keep_alive, Refuse words,
                std::shared_ptr<Reply> reply, std::function<void(const ShelfItem&, Lease)> ready);

// Loads the model where it must, and answers what the request asks.
void answer(App& app, const HttpRequest& request, Ask ask, MakeVoice voice, Refuse words,
            std::shared_ptr<Reply> reply);

std::string fresh_id(std::string_view prefix);  // random
int64_t unix_seconds();

}  // namespace r1

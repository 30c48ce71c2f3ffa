// The dialects: each reads its JSON into an Ask, and tells of the answer in its own words. Handlers
// run on the reply's strand; readers know nothing of models and are fuzzed.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "serve/answer.h"

namespace r1 {

using Handle = void (*)(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply);

// The body of a request as `read` understands it, Json to a variant of what is asked and a Problem;
// nothing where it is a problem, which the reply then has told.
template <class Read>
auto read_body(const HttpRequest& request, Reply& reply, Refuse words, Read read) {
  using Asked =
      std::variant_alternative_t<0, std::invoke_result_t<Read, const nlohmann::ordered_json&>>;
  const auto fail = [&](const Problem& problem) {
    refuse(reply, problem, words);
    return std::optional<Asked>();
  };
  const auto body = parse_object(request.body);
  if (const auto* problem = std::get_if<Problem>(&body)) return fail(*problem);
  auto asked = read(std::get<nlohmann::ordered_json>(body));
  if (const auto* problem = std::get_if<Problem>(&asked)) return fail(*problem);
  return std::optional<Asked>(std::get<Asked>(std::move(asked)));
}

// Messages as chat templates take them; contents become texts, and what a model's earlier thoughts
// were is dropped, or where `strict` refused as DeepSeek-R1's first API did.
struct ReadMessages {
  nlohmann::ordered_json messages;
  std::optional<Begun> begun;  // of a last message that is to be continued
};
std::optional<ReadMessages> read_messages(Fields& fields, bool strict);

// What the answer is to be: OpenAI's response_format, Responses' and Anthropic's format, Ollama's
// (a schema itself, or "json"); `where` names it in messages. Fills the ask's grammar and schema.
void read_format(Fields& fields, const std::string& where, const nlohmann::ordered_json& format,
                 Ask& ask);
// {"type": "grammar", "grammar": GBNF} or {"type": "regex", "regex": PATTERN}, or a JSON schema.
void read_schema(Fields& fields, const std::string& where, const nlohmann::ordered_json& schema,
                 Ask& ask);

// How long an effort lets a model think: in tokens, none of them being no thought at all; "high"
// and above are as long as the model likes.
void set_effort(const std::string& effort, Ask& ask);

// model, temperature and top_p, as OpenAI has them.
void read_model(Fields& fields, Ask& ask);
// stop: a string, or at most `most` of them.
std::vector<std::string> read_stop(Fields& fields, const char* name, size_t most);
// A text, ids, or a list of these, at most `most`, into `texts`.
void read_texts(Fields& fields, const char* name, size_t most, std::vector<Text>& texts);
// Ollama's keep_alive: seconds or a duration such as "5m"; below 0: for ever.
void read_keep_alive(Fields& fields, std::optional<double>& keep_alive);
// logit_bias: {"id": bias}, bias from -100 to 100.
std::vector<std::pair<int32_t, float>> read_logit_bias(Fields& fields);

// OpenAI, and DeepSeek in it: base /v1 is the one, / and /beta the other.
struct OpenAiAsk {
  Ask ask;
  bool include_usage = false, deepseek = false, logprobs = false, echo = false;
  bool continuous_usage = false;  // vLLM's: every chunk tells of the tokens so far
};
std::variant<OpenAiAsk, Problem> read_openai_chat(const nlohmann::ordered_json& body, bool deepseek,
                                                  bool strict);
std::variant<OpenAiAsk, Problem> read_openai_completion(const nlohmann::ordered_json& body,
                                                        bool deepseek);
Refusal openai_refusal(const Problem& problem);
Refusal deepseek_refusal(const Problem& problem);
void openai_chat(App&, const HttpRequest&, std::shared_ptr<Reply>);
void openai_completion(App&, const HttpRequest&, std::shared_ptr<Reply>);
void openai_models(App&, const HttpRequest&, std::shared_ptr<Reply>);
void openai_model(App&, const HttpRequest&, std::shared_ptr<Reply>);
void deepseek_chat(App&, const HttpRequest&, std::shared_ptr<Reply>);
void deepseek_completion(App&, const HttpRequest&, std::shared_ptr<Reply>);

// OpenAI's Responses, of which none is kept.
struct ResponsesAsk {
  Ask ask;
  nlohmann::ordered_json echo;  // fields of the request that its response repeats
};
std::variant<ResponsesAsk, Problem> read_responses(const nlohmann::ordered_json& body);
void openai_responses(App&, const HttpRequest&, std::shared_ptr<Reply>);

// Embeddings, OpenAI's and Ollama's.
struct EmbedAsk {
  std::string key = "-";  // the id of whose it is
  std::string model;
  std::optional<double> keep_alive;
  std::vector<Text> texts;
  std::optional<int64_t> dimensions;
  bool base64 = false, truncate = false;
  enum class Words { kOpenAi, kOllama, kOllamaFirst } words = Words::kOpenAi;
};
std::variant<EmbedAsk, Problem> read_embeddings(const nlohmann::ordered_json& body,
                                                EmbedAsk::Words words);
void openai_embeddings(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_embed(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_embeddings(App&, const HttpRequest&, std::shared_ptr<Reply>);

// Ollama.
struct OllamaAsk {
  Ask ask;
  bool chat = true, load_only = false, logprobs = false, hide_thought = false;
};
std::variant<OllamaAsk, Problem> read_ollama(const nlohmann::ordered_json& body, bool chat);
Refusal ollama_refusal(const Problem& problem);
void ollama_chat(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_generate(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_tags(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_ps(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_show(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_pull(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_create(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_copy(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_delete(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_blob(App&, const HttpRequest&, std::shared_ptr<Reply>);
void ollama_version(App&, const HttpRequest&, std::shared_ptr<Reply>);

// Anthropic.
std::variant<Ask, Problem> read_anthropic(const nlohmann::ordered_json& body, bool count_only);
Refusal anthropic_refusal(const Problem& problem);
void anthropic_messages(App&, const HttpRequest&, std::shared_ptr<Reply>);
void anthropic_count(App&, const HttpRequest&, std::shared_ptr<Reply>);

// The log of traces, for who looks at it in a page.
std::variant<TraceFilter, Problem> read_trace_filter(std::string_view query);
void list_traces(App&, const HttpRequest&, std::shared_ptr<Reply>);
void show_trace(App&, const HttpRequest&, std::shared_ptr<Reply>);

// JSON as it leaves: bytes of a model that are no UTF-8 are replaced.
std::string dump(const nlohmann::ordered_json& json);
// "token", "logprob", "bytes", "top_logprobs": as OpenAI and Ollama tell of a token.
nlohmann::ordered_json token_json(const ServedModel& model, const Sampled& token);
std::string rfc3339(int64_t unix_seconds);

}  // namespace r1

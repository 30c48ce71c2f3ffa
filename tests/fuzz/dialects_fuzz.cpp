// A request's JSON in every dialect; what is let through keeps to the limits the engine relies on.
#include "serve/dialects.h"
#include "serve/model_folder.h"

namespace {

void check(const r1::Ask& ask) {
  if (ask.n < 1 || ask.n > 128 || ask.texts.size() > 128) __builtin_trap();
  if (ask.params.max_tokens == 0 || ask.params.max_tokens < -1) __builtin_trap();
  if (ask.params.top_logprobs > 20 || ask.params.think_budget < -1) __builtin_trap();
  if (!ask.sampling.over({}).check()) __builtin_trap();
  for (const std::string& stop : ask.params.stop)
    if (stop.empty()) __builtin_trap();
  for (const auto& message : ask.messages) {
    if (!message["role"].is_string() || !message["content"].is_string()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto body = r1::parse_object({reinterpret_cast<const char*>(data), size});
  if (const auto* problem = std::get_if<r1::Problem>(&body)) {
    r1::openai_refusal(*problem);
    return 0;
  }
  const auto& json = std::get<nlohmann::ordered_json>(body);
  if (const auto made = r1::read_made_from(json); made && made->from.empty()) __builtin_trap();
  for (const bool flag : {false, true}) {
    const auto chat = r1::read_openai_chat(json, flag, flag);
    if (const auto* ask = std::get_if<r1::OpenAiAsk>(&chat)) check(ask->ask);
    if (const auto* problem = std::get_if<r1::Problem>(&chat)) r1::deepseek_refusal(*problem);
    const auto completion = r1::read_openai_completion(json, flag);
    if (const auto* ask = std::get_if<r1::OpenAiAsk>(&completion)) check(ask->ask);
    const auto ollama = r1::read_ollama(json, flag);
    if (const auto* ask = std::get_if<r1::OllamaAsk>(&ollama)) check(ask->ask);
    if (const auto* problem = std::get_if<r1::Problem>(&ollama)) r1::ollama_refusal(*problem);
    const auto responses = r1::read_responses(json);
    if (const auto* ask = std::get_if<r1::ResponsesAsk>(&responses)) check(ask->ask);
    const auto words = flag ? r1::EmbedAsk::Words::kOpenAi : r1::EmbedAsk::Words::kOllama;
    const auto embed = r1::read_embeddings(json, words);
    if (const auto* ask = std::get_if<r1::EmbedAsk>(&embed); ask && ask->texts.empty())
      __builtin_trap();
    const auto anthropic = r1::read_anthropic(json, flag);
    if (const auto* ask = std::get_if<r1::Ask>(&anthropic)) check(*ask);
    if (const auto* problem = std::get_if<r1::Problem>(&anthropic)) r1::anthropic_refusal(*problem);
  }
  return 0;
}

#include "serve/metrics.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

void family(std::string& text, std::string_view name, std::string_view type,
            std::string_view help) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class T>
void plain(std::string& text, std::string_view name, std::string_view type, std::string_view help,
           T value) {
  family(text, name, type, help);
  text += fmt::format("{} {}\n", name, value);
}

}  // namespace

void Metrics::Histogram::add(double value) {
  for (size_t i = 0; i < kBounds.size(); ++i) counts[i] += value <= kBounds[i];
  ++n;
  sum += value;
}

void Metrics::Histogram::print(std::string& text, std::string_view name,
                               std::string_view help) const {
  family(text, name, "histogram", help);
  for (size_t i = 0; i < kBounds.size(); ++i)
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], counts[i]);
  text += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, n, name, sum,
                      name, n);
}

void Metrics::first_token(double seconds) {
  const std::lock_guard lock(mutex_);
  first_token_.add(seconds);
}

void Metrics::generated(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  generated_tokens_ += static_cast<uint64_t>(tokens);
}

void Metrics::answered(const Completion& c, double seconds, int64_t nanos) {
  {
    const std::lock_guard lock(mutex_);
    whole_.add(seconds);
    nanos_ += nanos;
    prompt_tokens_ += static_cast<uint64_t>(c.prompt_tokens);
    cached_tokens_ += static_cast<uint64_t>(c.cached_tokens);
    thought_tokens_ += static_cast<uint64_t>(c.thought_tokens);
    drafted_ += static_cast<uint64_t>(c.drafted_tokens);
    accepted_ += static_cast<uint64_t>(c.accepted_tokens);
    prompt_seconds_ += c.prefill_seconds;
    generated_seconds_ += c.decode_seconds;
    ++reasons_[std::string(name(c.reason))];
  }
  if (log_) {
    log_({{"event", "answer"},
          {"finish_reason", name(c.reason)},
          {"prompt_tokens", c.prompt_tokens},
          {"cached_tokens", c.cached_tokens},
          {"thought_tokens", c.thought_tokens},
          {"generated_tokens", c.generated_tokens},
          {"seconds", seconds},
          {"cost", static_cast<double>(nanos) / 1e9}});
  }
}

void Metrics::refused(int status) {
  const std::lock_guard lock(mutex_);
  ++refused_[status];
}

void Metrics::failed(std::string_view message) {
  if (log_) log_({{"event", "failure"}, {"message", message}});
}

void Metrics::requested(std::string_view method, std::string_view path, std::string_view key) {
  if (log_) log_({{"event", "request"}, {"method", method}, {"path", path}, {"key", key}});
}

std::string Metrics::text(const std::map<std::string, Engine::Load>& models) const {
  std::string text;
  Engine::Load all;
  family(text, "vllm:num_requests_running", "gauge", "Sequences in the batch.");
  for (const auto& [model, load] : models)
    text += fmt::format("vllm:num_requests_running{{model_name=\"{}\"}} {}\n", model, load.running);
  family(text, "vllm:num_requests_waiting", "gauge", "Sequences in the queue.");
  for (const auto& [model, load] : models)
    text += fmt::format("vllm:num_requests_waiting{{model_name=\"{}\"}} {}\n", model, load.waiting);
  family(text, "vllm:kv_cache_usage_perc", "gauge", "Share of the KV cache in use, 0 to 1.");
  for (const auto& [model, load] : models) {
    text += fmt::format("vllm:kv_cache_usage_perc{{model_name=\"{}\"}} {}\n", model,
                        load.pages > 0
                            ? static_cast<double>(load.pages_used) / static_cast<double>(load.pages)
                            : 0.0);
    all.running += load.running;
    all.waiting += load.waiting;
    all.steps += load.steps;
    all.preemptions += load.preemptions;
  }
  plain(text, "llamacpp:requests_processing", "gauge", "Sequences in the batch.", all.running);
  plain(text, "llamacpp:requests_deferred", "gauge", "Sequences in the queue.", all.waiting);
  plain(text, "llamacpp:n_decode_total", "counter", "Forwards computed.", all.steps);
  plain(text, "vllm:num_preemptions_total", "counter", "Sequences sent back to the queue.",
        all.preemptions);

  const std::lock_guard lock(mutex_);
  plain(text, "vllm:prompt_tokens_total", "counter", "Tokens of prompts.", prompt_tokens_);
  plain(text, "vllm:generation_tokens_total", "counter", "Tokens generated.", generated_tokens_);
  plain(text, "vllm:prefix_cache_queries", "counter", "Tokens looked up in the cache.",
        prompt_tokens_);
  plain(text, "vllm:prefix_cache_hits", "counter", "Tokens found in the cache.", cached_tokens_);
  plain(text, "llamacpp:prompt_tokens_total", "counter", "Tokens of prompts computed.",
        prompt_tokens_ - cached_tokens_);
  plain(text, "llamacpp:prompt_seconds_total", "counter", "Seconds of prompts.", prompt_seconds_);
  plain(text, "llamacpp:tokens_predicted_total", "counter", "Tokens generated.", generated_tokens_);
  plain(text, "llamacpp:tokens_predicted_seconds_total", "counter", "Seconds of generation.",
        generated_seconds_);
  plain(text, "llamacpp:spec_decode_num_draft_tokens_total", "counter", "Tokens guessed.",
        drafted_);
  plain(text, "llamacpp:spec_decode_num_accepted_tokens_total", "counter", "Guesses that held.",
        accepted_);
  plain(text, "r1:thought_tokens_total", "counter", "Tokens of thoughts.", thought_tokens_);
  plain(text, "r1:cost_dollars_total", "counter", "What answers cost, by the price table.",
        static_cast<double>(nanos_) / 1e9);
  family(text, "vllm:request_success_total", "counter", "Answers, by how they ended.");
  for (const auto& [reason, n] : reasons_)
    text += fmt::format("vllm:request_success_total{{finished_reason=\"{}\"}} {}\n", reason, n);
  family(text, "r1:requests_refused_total", "counter", "Requests refused, by status.");
  for (const auto& [status, n] : refused_)
    text += fmt::format("r1:requests_refused_total{{status=\"{}\"}} {}\n", status, n);
  first_token_.print(text, "vllm:time_to_first_token_seconds", "From request to first text.");
  whole_.print(text, "vllm:e2e_request_latency_seconds", "From request to the end.");
  return text;
}

}  // namespace r1

// Counts of what the server did, in Prometheus' text format under the names that vLLM and
// llama-server have for the same; and its log, JSON lines without a word of anybody's prompt.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "infer/engine.h"

namespace r1 {

class Metrics {
 public:
  using Log = std::function<void(const nlohmann::ordered_json& line)>;
  explicit Metrics(Log log = nullptr) : log_(std::move(log)) {}

  void first_token(double seconds);
  void generated(int64_t tokens);                                              // as they come
  void answered(const Completion& completion, double seconds, int64_t nanos);  // nano-dollars
  void refused(int status);
  void failed(std::string_view message);  // an inner fault: its words go to the log alone
  void requested(std::string_view method, std::string_view path, std::string_view key);

  // models: name and load of each that is in memory.
  std::string text(const std::map<std::string, Engine::Load>& models) const;

 private:
  struct Histogram {
    static constexpr std::array kBounds{0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  1.0,
                                        2.5,  5.0,   10.0, 30., 60.,  120., 300.};
    std::array<uint64_t, kBounds.size()> counts{};
    uint64_t n = 0;
    double sum = 0;
    void add(double value);
    void print(std::string& text, std::string_view name, std::string_view help) const;
  };

  Log log_;
  mutable std::mutex mutex_;  // guards what follows
  Histogram first_token_, whole_;
  uint64_t prompt_tokens_ = 0, cached_tokens_ = 0, generated_tokens_ = 0, thought_tokens_ = 0;
  uint64_t drafted_ = 0, accepted_ = 0;
  int64_t nanos_ = 0;
  double prompt_seconds_ = 0, generated_seconds_ = 0;
  std::map<std::string, uint64_t> reasons_;
  std::map<int, uint64_t> refused_;
};

}  // namespace r1

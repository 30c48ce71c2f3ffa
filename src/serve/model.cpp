#include "serve/model.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

std::string kv_name(DType type) {
  for (const char* known : {"f32", "f16", "bf16", "q8_0"})
    if (kv_dtype_from_name(known) == type) return known;
  return "";
}

class EngineModel final : public ServedModel {
 public:
  EngineModel(std::unique_ptr<Engine> engine, nlohmann::ordered_json settings)
      : engine_(std::move(engine)), settings_(std::move(settings)) {}

  bool reasoning() const override { return engine_->reasoning(); }
  std::string_view chat_template() const override {
    return engine_->chat_template() ? std::string_view(engine_->chat_template()->source()) : "";
  }
  bool takes_tools() const override { return engine_->takes_tools(); }
  int64_t context() const override { return engine_->context(); }
  int32_t vocab() const override { return engine_->tokenizer()->size(); }
  SamplingParams defaults() const override { return engine_->recommended_sampling(); }
  std::string bytes(int32_t id) const override {
    return std::string(engine_->tokenizer()->bytes(id));
  }
  Engine::Load load() const override { return engine_->load(); }
  nlohmann::ordered_json settings() const override { return settings_; }
  uint64_t memory() const override { return engine_->memory(); }
  Result<Prompt> prompt(const nlohmann::ordered_json& messages, Think think,
                        const nlohmann::ordered_json* tools, const Begun* begun) const override {
    return engine_->prompt(messages, think, tools, begun);
  }
  Result<Prompt> prompt(std::string_view text) const override { return engine_->prompt(text); }
  Result<uint64_t> submit(Prompt prompt, const GenerateParams& params,
                          std::shared_ptr<Listener> listener) override {
    return engine_->submit(std::move(prompt), params, std::move(listener));
  }
  Result<uint64_t> embed(Prompt prompt, std::string owner,
                         std::function<void(Result<Embedding>)> tell) override {
    return engine_->embed(std::move(prompt), std::move(owner), std::move(tell));
  }
  int64_t embedding_dim() const override { return engine_->embedding_dim(); }
  void cancel(uint64_t number) override { engine_->cancel(number); }

 private:
  std::unique_ptr<Engine> engine_;
  const nlohmann::ordered_json settings_;
};

}  // namespace

Result<std::unique_ptr<ServedModel>> open_served(const std::string& path,
                                                 const EngineOptions& options) {
  R1_TRY(auto engine, Engine::load(path, options));
  if (!engine->tokenizer()) return error("{}: has no tokenizer, so it cannot be talked to", path);
  R1_TRY(const Isa isa, chosen_isa());
  const std::string adapter =
      options.adapter.empty() ? "" : std::filesystem::absolute(options.adapter).string();
  nlohmann::ordered_json settings = {{"isa", name(isa)},
                                     {"compute", options.compute == Compute::kF32 ? "f32" : "auto"},
                                     {"kv", kv_name(options.kv_dtype)},
                                     {"context", engine->context()},
                                     {"adapter", adapter}};
  return std::unique_ptr<ServedModel>(
      std::make_unique<EngineModel>(std::move(engine), std::move(settings)));
}

}  // namespace r1

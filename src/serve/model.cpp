#include "serve/model.h"

#include <nlohmann/json.hpp>

namespace r1 {
namespace {

class EngineModel final : public ServedModel {
 public:
  explicit EngineModel(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

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
  Result<Prompt> prompt(const nlohmann::ordered_json& messages, Think think,
                        const nlohmann::ordered_json* tools, const Begun* begun) const override {
    return engine_->prompt(messages, think, tools, begun);
  }
  Result<Prompt> prompt(std::string_view text) const override { return engine_->prompt(text); }
  Result<uint64_t> submit(Prompt prompt, const GenerateParams& params,
                          std::shared_ptr<Listener> listener) override {
    return engine_->submit(std::move(prompt), params, std::move(listener));
  }
  Result<uint64_t> embed(Prompt prompt, std::function<void(Result<Embedding>)> tell) override {
    return engine_->embed(std::move(prompt), std::move(tell));
  }
  int64_t embedding_dim() const override { return engine_->embedding_dim(); }
  void cancel(uint64_t number) override { engine_->cancel(number); }

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace

Result<std::unique_ptr<ServedModel>> open_served(const std::string& path,
                                                 const EngineOptions& options) {
  R1_TRY(auto engine, Engine::load(path, options));
  if (!engine->tokenizer()) return error("{}: has no tokenizer, so it cannot be talked to", path);
  return std::unique_ptr<ServedModel>(std::make_unique<EngineModel>(std::move(engine)));
}

}  // namespace r1

#include "cli/chat_model.h"

#include "base/units.h"
#include "cli/progress.h"
#include "format/weight_file.h"

namespace r1 {
namespace {

class EngineModel final : public ChatModel {
 public:
  EngineModel(std::string path, std::unique_ptr<Engine> engine)
      : path_(std::move(path)), engine_(std::move(engine)) {}

  const std::string& path() const override { return path_; }
  std::string startup_line() const override { return engine_->startup_line(); }
  bool reasoning() const override { return engine_->reasoning(); }
  bool chats() const override { return engine_->chat_template() != nullptr; }

  GenerateParams defaults() const override {
    GenerateParams params;
    params.sampling = engine_->recommended_sampling();
    return params;
  }

  Result<Completion> answer(const nlohmann::ordered_json& messages, Think think,
                            const GenerateParams& params,
                            const Engine::OnPiece& on_piece) override {
    for (const auto& [id, bias] : params.sampling.logit_bias)
      if (id >= engine_->tokenizer()->size())
        return error("logit_bias {}: token ids of {} end at {}", id, path_,
                     engine_->tokenizer()->size() - 1);
    return engine_->chat(messages, think, params, on_piece);
  }

  std::string info() const override {
    const Config& c = engine_->model().config();
    return fmt::format(
        "model       {}\nshape       {}: {} layers, dim {}, {} heads ({} of keys and values)\n"
        "weights     {} in memory\ncontext     {} of {} tokens\nvocabulary  {} tokens\n"
        "template    {}\nthinking    {}\nengine      {}\n",
        path_, c.architecture, c.n_layers, c.dim, c.n_heads, c.n_kv_heads,
        format_bytes(engine_->model().weight_bytes()), engine_->context(), c.context_length,
        engine_->tokenizer()->size(), chats() ? "yes" : "none: continues text",
        reasoning() ? "yes" : "no", startup_line());
  }

  std::string chat_template() const override {
    return chats() ? engine_->chat_template()->source() : std::string();
  }

  Result<std::string> license() const override {
    R1_TRY(const WeightFile file, WeightFile::open(path_));
    R1_TRY(std::optional<std::string> license, file.text("general.license"));
    if (!license && file.container() == Container::kSafetensors)
      return file.side_file("LICENSE", 1 << 20);
    return license.value_or("");
  }

 private:
  std::string path_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

Result<std::unique_ptr<ChatModel>> open_engine(const std::string& path, EngineOptions options) {
  std::optional<Progress> bar;
  options.progress = [&](uint64_t done, uint64_t total) {
    if (!bar) bar.emplace("loading", total);
    bar->update(done);
  };
  R1_TRY(auto engine, Engine::load(path, options));
  if (!engine->tokenizer())
    return error("{}: has no tokenizer, so it cannot read text; r1 logits works on ids", path);
  return std::unique_ptr<ChatModel>(std::make_unique<EngineModel>(path, std::move(engine)));
}

}  // namespace r1

#include "cli/chat_model.h"

#include <numeric>

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
    if (think == Think::kOn && !reasoning())
      return error("--think on: {} does not think (nothing in it knows <think>); leave it out",
                   path_);
    for (const auto& [id, bias] : params.sampling.logit_bias)
      if (id >= engine_->tokenizer()->size())
        return error("logit_bias {}: token ids of {} end at {}", id, path_,
                     engine_->tokenizer()->size() - 1);
    if (chats()) return engine_->chat(messages, think, params, on_piece);
    return continue_text(messages.back()["content"].get_ref<const std::string&>(), params,
                         on_piece);
  }

  std::string info() const override {
    const Tokenizer& tokenizer = *engine_->tokenizer();
    return fmt::format(
        "model       {}\nweights     {} in memory\ncontext     {} tokens\nvocabulary  {} tokens\n"
        "template    {}\nthinking    {}\nengine      {}\n",
        path_, format_bytes(engine_->model().weight_bytes()),
        format_grouped(static_cast<uint64_t>(engine_->context())),
        format_grouped(static_cast<uint64_t>(tokenizer.size())),
        chats() ? "yes" : "none: continues text", reasoning() ? "yes" : "no", startup_line());
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
  Result<Completion> continue_text(const std::string& text, const GenerateParams& params,
                                   const Engine::OnPiece& on_piece) {
    const Tokenizer& tokenizer = *engine_->tokenizer();
    std::vector<int32_t> ids = tokenizer.encode(text, false);
    if (tokenizer.add_bos() && tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
    return engine_->complete(std::move(ids), text, params, on_piece);
  }

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

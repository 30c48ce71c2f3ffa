// Runs traces again. By law 1 the same weights, prompt, parameters and seed give the same tokens on
// one instruction set, whatever ran beside them then: so what comes now is what came then, bit for
// bit, or something is not what the log says.
#include <algorithm>
#include <cstdlib>
#include <future>

#include "base/clock.h"
#include "cli/chat_options.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/trace.h"
#include "kernels/cpu.h"
#include "serve/dialects.h"
#include "serve/model.h"
#include "serve/weight_hash.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

struct Recorded {
  std::string file, sha256, adapter, adapter_sha256, isa, finish, thought, answer;
  Json settings;  // of the engine
  GenerateParams params;
  Prompt prompt;
  std::vector<int32_t> ids;
};

Result<Recorded> recorded(const Json& c) {
  Recorded r;
  R1_TRY(r.params, params_from_json(c.value("params", Json())));
  try {
    r.file = c.at("model").at("file");
    r.sha256 = c.at("model").at("sha256");
    r.settings = c.at("engine");
    r.isa = r.settings.at("isa");
    r.adapter = r.settings.value("adapter", "");
    r.adapter_sha256 = r.settings.value("adapter_sha256", "");
    r.finish = c.at("finish");
    r.thought = c.at("thought");
    r.answer = c.at("answer");
    r.prompt = {.ids = c.at("prompt_ids").get<std::vector<int32_t>>(),
                .thinking = c.at("thinking").get<bool>(),
                .may_think = c.at("may_think").get<bool>()};
    r.ids = c.at("ids").get<std::vector<int32_t>>();
  } catch (const Json::exception& e) {
    return error("it holds not all that replay needs: {}", e.what());
  }
  return r;
}

Result<void> check_hash(TraceLog& log, const std::string& path, const std::string& was,
                        std::string_view flag) {
  R1_TRY(const std::string is, weight_hash(path, log));
  if (is == was) return {};
  return error("it was made by weights of sha256 {}, but {} has {}{}", was, path, is, flag);
}

// The model of the last trace, kept for the next.
class Models {
 public:
  Models(TraceLog& log, const TraceOptions& options) : log_(log), options_(options) {}

  Result<Engine*> of(const Recorded& r) {
    const std::string path = options_.model_file.empty() ? r.file : options_.model_file;
    const std::string wanted = path + r.settings.dump();
    if (engine_ && wanted == loaded_) return engine_.get();
    R1_DO(check_hash(log_, path, r.sha256, "; --weights names another file"));
    if (!r.adapter.empty()) R1_DO(check_hash(log_, r.adapter, r.adapter_sha256, ""));
    EngineOptions engine{.threads = options_.threads, .progress = {}};
    try {
      engine.compute = r.settings.at("compute") == "f32" ? Compute::kF32 : Compute::kFast;
      const auto kv = kv_dtype_from_name(r.settings.at("kv").get<std::string>());
      if (!kv) return error("its --kv {} is unknown here", r.settings.at("kv").dump());
      engine.kv_dtype = *kv;
      engine.context = r.settings.at("context");
    } catch (const Json::exception& e) {
      return error("the engine's settings: {}", e.what());
    }
    engine.adapter = r.adapter;
    std::optional<Progress> bar;
    engine.progress = [&](uint64_t done, uint64_t total) {
      if (!bar) bar.emplace("loading", total);
      bar->update(done);
    };
    for (const Isa isa : supported_isas())  // unless the user chose one
      if (name(isa) == r.isa) ::setenv("R1_ISA", r.isa.c_str(), 0);
    engine_.reset();
    R1_TRY(engine_, Engine::load(path, engine));
    loaded_ = wanted;
    return engine_.get();
  }

 private:
  TraceLog& log_;
  const TraceOptions& options_;
  std::unique_ptr<Engine> engine_;
  std::string loaded_;  // path and settings
};

// What else is not as it was, in words; each may be why bits differ.
Result<std::string> notes(const Recorded& r, const Json& content, const Engine& engine) {
  std::string text;
  R1_TRY(const Isa isa, chosen_isa());
  if (name(isa) != r.isa)
    text += fmt::format("; made on {}, run on {}: bits may differ", r.isa, name(isa));
  if (engine.context() != r.settings.at("context"))
    text += fmt::format("; the context was {}, is {}", r.settings.at("context").dump(),
                        engine.context());
  if (content.contains("messages")) {
    Begun begun;
    const bool goes_on = content.contains("begun");
    if (goes_on)
      begun = {content["begun"].value("thought", ""), content["begun"].value("answer", "")};
    const auto prompt = engine.prompt(
        content["messages"], parse_think(content.value("think", "")).value_or(Think::kAuto),
        content.contains("tools") ? &content["tools"] : nullptr, goes_on ? &begun : nullptr);
    if (!prompt) {
      text += "; its messages render no more: " + prompt.error().message;
    } else if (prompt->ids != r.prompt.ids) {
      text += "; its messages render to other tokens now";
    }
  }
  return text;
}

std::string token(const Engine& engine, const std::vector<int32_t>& ids, size_t i) {
  if (i >= ids.size()) return "its end";
  return fmt::format("{} {:?}", ids[i], std::string(engine.tokenizer()->bytes(ids[i])));
}

// "the same, bit for bit: ..." or "differs ...".
struct Outcome {
  bool same;
  std::string words;
};

Outcome compare(const Recorded& r, const Completion& now, bool whole, const Engine& engine) {
  const auto [a, b] = std::ranges::mismatch(r.ids, now.ids);
  if (a != r.ids.end() || (whole && b != now.ids.end())) {
    const auto at = static_cast<size_t>(a - r.ids.begin());
    return {false, fmt::format("differs from token {} of {} on: it was {}, is {}", at + 1,
                               r.ids.size(), token(engine, r.ids, at), token(engine, now.ids, at))};
  }
  if (!whole)
    return {true, fmt::format("the same tokens, all {} until it was cut short ({})", r.ids.size(),
                              r.finish)};
  if (now.thought != r.thought)
    return {false, "the tokens are the same, the thought's text is not"};
  if (now.answer != r.answer) return {false, "the tokens are the same, the answer's text is not"};
  if (name(now.reason) != r.finish)
    return {false, fmt::format("ended by {}, now by {}", r.finish, name(now.reason))};
  return {true, fmt::format("the same, bit for bit: {} tokens, {} bytes of thought, {} of answer, "
                            "finish {}",
                            r.ids.size(), r.thought.size(), r.answer.size(), r.finish)};
}

// Hears nothing but the end.
class Ending final : public Listener {
 public:
  void hear(Piece) override {}
  void end(Result<Completion> completion) override { end_.set_value(std::move(completion)); }
  Result<Completion> wait() { return end_.get_future().get(); }

 private:
  std::promise<Result<Completion>> end_;
};

Result<Outcome> replay(TraceLog& log, Models& models, int64_t id) {
  R1_TRY(const TraceLine line, wanted_trace(log, id));
  R1_TRY(Recorded r, recorded(line.content));
  R1_TRY(Engine* const engine, models.of(r));
  const bool whole = r.finish != "cancelled" && r.finish != "error";
  if (!whole && r.ids.empty()) return Outcome{true, "nothing had come when it was cut short"};
  if (!whole) r.params.max_tokens = std::ssize(r.ids);
  r.params.top_logprobs = -1;
  const auto start = std::chrono::steady_clock::now();
  const auto ending = std::make_shared<Ending>();
  R1_DO(engine->submit(r.prompt, r.params, ending));
  R1_TRY(const Completion now, ending->wait());
  Outcome outcome = compare(r, now, whole, *engine);
  outcome.words += fmt::format(" ({:.2f} s)", seconds_since(start));
  R1_TRY(const std::string more, notes(r, line.content, *engine));
  outcome.words += more;
  return outcome;
}

}  // namespace

Result<void> replay_traces(TraceLog& log, const std::vector<int64_t>& ids,
                           const TraceOptions& options) {
  if (ids.empty()) return error("r1 trace replay: which? ids, or --since, --model, --key, --user");
  Models models(log, options);
  size_t differ = 0;
  for (const int64_t id : ids) {
    auto outcome = replay(log, models, id);
    if (!outcome) return std::move(outcome).error().in(fmt::format("trace {}", id));
    if (options.json) {
      fmt::print("{}\n", dump({{"id", id}, {"same", outcome->same}, {"outcome", outcome->words}}));
    } else {
      fmt::print("trace {}: {}\n", id, printable(outcome->words));
    }
    std::fflush(stdout);
    differ += !outcome->same;
  }
  if (differ > 0) return error("{} of {} came out otherwise", differ, ids.size());
  return {};
}

}  // namespace r1

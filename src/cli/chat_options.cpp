#include "cli/chat_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "base/units.h"
#include "infer/speculation.h"

namespace r1 {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw CLI::ValidationError(message); }

int64_t whole_number(const std::string& flag, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stop != end || value < low || value > high)
    refuse(fmt::format("{} {}: must be a whole number from {} to {}", flag, text, low, high));
  return value;
}

}  // namespace

CLI::Option* add_choice(CLI::App& app, const std::string& flag, const std::string& choices,
                        const std::string& help, std::function<bool(const std::string&)> take) {
  auto check = [flag, choices, take = std::move(take)](const std::string& value) {
    if (!take(value)) refuse(fmt::format("{} {}: must be one of {}", flag, value, choices));
  };
  return app.add_option_function<std::string>(flag, check, help)->type_name(choices);
}

bool parse_speculate(const std::string& word, Speculate& who, std::string& draft_model) {
  constexpr std::string_view kFile = "draft=";
  if (word.starts_with(kFile) && word.size() > kFile.size()) {
    who = Speculate::kDraft;
    draft_model = word.substr(kFile.size());
    return true;
  }
  if (word != "lookup" && word != "mtp" && word != "off") return false;
  who = word == "lookup" ? Speculate::kLookup : word == "mtp" ? Speculate::kMtp : Speculate::kOff;
  return true;
}

void add_engine_options(CLI::App& app, EngineOptions& options) {
  EngineOptions* o = &options;
  app.add_option_function<std::string>(
         "--context",
         [o](const std::string& v) {
           o->context = whole_number("--context", v, 1, int64_t{1} << 31);
         },
         "tokens of context; default: what the memory holds, at most the model's own")
      ->type_name("N")
      ->group("Engine");
  app.add_option_function<std::string>(
         "--memory",
         [o](const std::string& v) {
           const auto bytes = parse_bytes(v);
           if (!bytes || *bytes == 0)
             refuse(fmt::format("--memory {}: must be a size such as 8G or 512M", v));
           o->memory = *bytes;
         },
         "memory to use, e.g. 8G; default: what is free")
      ->type_name("SIZE")
      ->group("Engine");
  app.add_option_function<std::string>(
         "--threads",
         [o](const std::string& v) {
           o->threads = static_cast<int>(whole_number("--threads", v, 1, 1024));
         },
         "default: all cores")
      ->type_name("N")
      ->group("Engine");
  add_choice(app, "--kv", "f32|f16|bf16|q8_0", "how keys and values are kept; default: f16",
             [o](const std::string& v) {
               const auto type = kv_dtype_from_name(v);
               o->kv_dtype = type.value_or(o->kv_dtype);
               return type.has_value();
             })
      ->group("Engine");
  add_choice(app, "--compute", "auto|f32",
             "auto: the fastest for the weight type; f32: exact products",
             [o](const std::string& v) {
               if (v != "auto" && v != "f32") return false;
               o->compute = v == "f32" ? Compute::kF32 : Compute::kFast;
               return true;
             })
      ->group("Engine");
  add_choice(app, "--speculate", kSpeculators,
             "who guesses tokens to verify several at once, which never changes the text: what was "
             "said before, the model's own prediction layer, a smaller model; default: lookup",
             [o](const std::string& v) { return parse_speculate(v, o->speculate, o->draft_model); })
      ->group("Engine");
  app.add_option("--adapter", o->adapter, "low-rank updates of the model: a folder that PEFT wrote")
      ->type_name("DIR")
      ->group("Engine");
  app.add_option_function<std::string>(
         "--draft-length",
         [o](const std::string& v) {
           o->longest_draft = whole_number("--draft-length", v, 1, kLongestDraft);
         },
         "tokens guessed at once, at most; fewer where more would not pay; default: 32")
      ->type_name("N")
      ->group("Engine");
}

void add_parameter_options(CLI::App& app, ParameterValues& values) {
  for (const Parameter& parameter : parameters()) {
    std::string flag = "--" + std::string(parameter.name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    auto take = [&values, &parameter, flag](const std::vector<std::string>& texts) {
      for (const std::string& text : texts)
        if (const auto set = values.set(parameter, text, flag); !set) refuse(set.error().message);
    };
    CLI::Option* option =
        app.add_option_function<std::vector<std::string>>(flag, take, std::string(parameter.help));
    option->type_name(std::string(parameter.name == "logit_bias" ? "ID=VALUE"
                                  : parameter.name == "stop"     ? "TEXT"
                                                                 : "X"));
    option->expected(1)->allow_extra_args(false)->group("Sampling");
    option->multi_option_policy(parameter.repeats ? CLI::MultiOptionPolicy::TakeAll
                                                  : CLI::MultiOptionPolicy::TakeLast);
  }
}

}  // namespace r1

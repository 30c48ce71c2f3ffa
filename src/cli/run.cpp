// r1 run: talk to a model, or ask it once. What is an answer's text goes to standard output,
// everything else (start-up line, progress, statistics, errors) to standard error.
#include <simdjson.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/file.h"
#include "cli/ask.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/interrupt.h"
#include "cli/puzzle.h"
#include "cli/repl.h"

namespace r1 {

const char* const run_examples = R"(Examples:
  r1 run model.gguf                              talk
  r1 run model.gguf "Why is the sky blue?"       one answer
  r1 run model.gguf "Summarise this" < notes.md  a file, then the question
  r1 run model.gguf --json --seed 7 "Hello"      one JSON object
  r1 run hf-folder/ --think-budget 2000 --temperature 0.6 "Prove that √2 is irrational")";

namespace {

constexpr size_t kLongestInput = 64 << 20;

struct RunOptions {
  std::string model;
  std::vector<std::string> words;  // of the prompt
  bool json = false, hide_thinking = false, verbose = false;
  Conversation conversation;
  EngineOptions engine;
};

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Result<std::string> read_input() {
  std::string text;
  char buffer[1 << 16];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0) {
    text.append(buffer, n);
    if (text.size() > kLongestInput)
      return error("standard input: more than {} MiB", kLongestInput >> 20);
  }
  if (std::ferror(stdin)) return error("standard input: cannot be read");
  return text;
}

Result<void> check_utf8(const std::string& text, std::string_view what) {
  if (simdjson::validate_utf8(text.data(), text.size())) return {};
  return error("{}: is not UTF-8 text", what);
}

// What is piped in, then the words of the command line. "" where there is neither.
Result<std::string> gather_prompt(const RunOptions& options) {
  std::string prompt = fmt::format("{}", fmt::join(options.words, " "));
  R1_DO(check_utf8(prompt, "PROMPT"));
  if (::isatty(STDIN_FILENO) && !prompt.empty()) return prompt;
  R1_TRY(std::string input, read_input());
  R1_DO(check_utf8(input, "standard input"));
  while (!input.empty() && (input.back() == '\n' || input.back() == '\r')) input.pop_back();
  if (input.empty() || prompt.empty()) return input + prompt;
  return input + "\n\n" + prompt;
}

Result<void> answer_once(const RunOptions& options, ChatModel& model, const std::string& prompt) {
  Conversation conversation = options.conversation;
  conversation.messages.push_back({"user", prompt, ""});
  const Terminal screen = terminal(STDOUT_FILENO);
  const bool show_thought =
      !options.hide_thinking && (screen.interactive || conversation.think == Think::kOn);
  AnswerPrinter printer(screen, show_thought, print);
  R1_TRY(const Answer answer, ask(model, conversation, options.json ? nullptr : &printer));
  if (options.json)
    print(to_json(answer, model.path())
              .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
          '\n');
  if (options.verbose) fmt::print(stderr, "{}", statistics(answer));
  if (answer.completion.reason == FinishReason::kCancelled) return error("interrupted");
  if (const std::string why = ending(answer.completion); !why.empty() && !options.json)
    fmt::print(stderr, "r1: {}\n", why);
  return {};
}

Result<void> run_model(const RunOptions& options) {
  const OpenModel open = [engine = options.engine](const std::string& path) {
    return open_engine(path, engine);
  };
  const bool talk =
      options.words.empty() && !options.json && ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
  std::string prompt;
  if (!talk) {
    R1_TRY(prompt, gather_prompt(options));
    if (prompt.empty() && (!options.model.empty() || options.json))
      return error("no prompt: give PROMPT, or pipe one in");
  }
  std::string path = options.model;
  if (path.empty()) {
    R1_TRY(path, default_model("r1 run FILE.gguf or r1 run FOLDER"));
  }
  R1_TRY(std::unique_ptr<ChatModel> model, open(path));
  fmt::print(stderr, "{}\n", model->startup_line());
  if (!prompt.empty()) return answer_once(options, *model, prompt);
  if (options.model.empty()) {
    R1_DO(put_puzzle(*model, options.conversation, !options.hide_thinking, print));
    if (!talk) return {};
    fmt::print(stderr, "Ask it another: \"Use 2, 4, 7 to make 30.\"\n");
  }

  Repl repl(std::move(model), open, options.conversation, print);
  repl.hide_thinking = options.hide_thinking;
  repl.verbose = options.verbose;
  repl.terminal = [] { return terminal(STDOUT_FILENO); };
  repl.run(*make_line_reader(history_path(), complete_verb));
  return {};
}

}  // namespace

Run declare_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  RunOptions* o = options.get();
  app.add_option("MODEL", o->model,
                 "a .gguf file or a Hugging Face folder; default: the small model in models/");
  app.add_option("PROMPT", o->words, "answer this and end; without it, talk");
  app.add_option_function<std::string>(
         "--system",
         [o](const std::string& text) {
           if (const auto valid = check_utf8(text, "--system"); !valid)
             throw CLI::ValidationError(valid.error().message);
           o->conversation.system = text;
         },
         "system prompt; default: none, as R1 wants it")
      ->type_name("TEXT");
  add_choice(app, "--think", "auto|on|off",
             "whether a reasoning model thinks first; auto: as its template has it",
             [o](const std::string& value) {
               const auto think = parse_think(value);
               if (think) o->conversation.think = *think;
               return think.has_value();
             });
  app.add_flag("--hide-thinking", o->hide_thinking, "think, but show the answer only");
  app.add_flag("--json", o->json,
               "one JSON object: thought, answer, finish_reason, seed, counts, timings");
  app.add_flag("--verbose,-v", o->verbose,
               "tokens, seconds, tokens/s and the seed on standard error");
  add_parameter_options(app, o->conversation.parameters);
  add_engine_options(app, o->engine);
  app.final_callback([o] {
    const GenerateParams p = o->conversation.parameters.over({}).generate;
    if (p.think_budget >= 0 && p.think_minimum > p.think_budget)
      throw CLI::ValidationError(
          fmt::format("--think-minimum {}: must be at most --think-budget {}", p.think_minimum,
                      p.think_budget));
  });
  return [options] { return run_model(*options); };
}

}  // namespace r1

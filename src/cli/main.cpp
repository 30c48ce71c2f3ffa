// r1: one program for DeepSeek-R1. Commands are lines of kCommands.
// Exit codes: 0 done; 1 failed, the reason is on standard error; 2 wrong usage; 130 interrupted.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace r1 {
namespace {

const std::vector<Command> kCommands = {
    {"run", "talk to a model, or ask it once", run_examples, declare_run},
    {"train", "a model learns: pre-training, fine-tuning, reinforcement", train_examples,
     declare_train},
    {"eval", "how well a model solves problems, with intervals", eval_examples, declare_eval},
    {"grade", "score answers from a file", grade_examples, declare_grade},
    {"data", "problems and texts to train on: made, inspected, converted", data_examples,
     declare_data},
    {"export", "a training run's checkpoint as a model", export_examples, declare_export},
    {"serve", "answer over HTTP as OpenAI, DeepSeek, Ollama and Anthropic do", serve_examples,
     declare_serve},
    {"key", "keys of those who may use a server", key_examples, declare_key},
    {"trace", "answers a server kept: read, searched, proven, erased", trace_examples,
     declare_trace},
    {"usage", "what was asked of a server, and what it cost", usage_examples, declare_usage},
    {"show", "what a model is: architecture, parameters, types, template", show_examples,
     declare_show},
    {"fit", "what fits into memory: quantization, context, speed", fit_examples, declare_fit},
    {"quantize", "write a model as GGUF in a smaller type", quantize_examples, declare_quantize},
    {"tokenize", "text to token ids and back", tokenize_examples, declare_tokenize},
    {"template", "a model's chat template; conversations rendered by it", template_examples,
     declare_template},
    {"perplexity", "how well a model predicts a text", perplexity_examples, declare_perplexity},
    {"logits", "the logits of given tokens, as safetensors", logits_examples, declare_logits},
    {"bench", "measure a model's speed beside the machine's", bench_examples, declare_bench},
    {"synth", "write a model of a known shape with random weights", synth_examples, declare_synth},
    {"completion", "print a completion script for a shell", completion_examples,
     declare_completion},
};

constexpr const char* kExamples = R"(Examples:
  r1 run model.gguf                  talk to a model
  r1 run model.gguf "Why is it so?"  one answer
  r1 COMMAND --help                  a command's flags and examples)";

int refuse(const std::string& message, const std::string& command) {
  fmt::print(stderr, "r1: {}\nr1{} --help shows what there is\n", printable(message), command);
  return 2;
}

// The message of a wrong command line, with the nearest name where one was misspelled.
std::string explain(const CLI::App& app, const CLI::ParseError& failure) {
  const std::vector<std::string> rest = app.remaining(true);
  const bool surplus =
      dynamic_cast<const CLI::ExtrasError*>(&failure) ||
      (dynamic_cast<const CLI::RequiredError*>(&failure) && app.get_subcommands().empty());
  if (surplus && rest.empty()) return "which command?";
  if (!surplus) return failure.what();
  const CLI::App* command = app.get_subcommands().empty() ? nullptr : app.get_subcommands().back();
  std::vector<std::string> names;
  for (const CLI::Option* option : (command ? *command : app).get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  if (!command)
    for (const Command& c : kCommands) names.emplace_back(c.name);
  const std::string near = nearest(rest[0], names);
  return fmt::format("no such {}: {}{}",
                     rest[0].starts_with('-') ? "flag"
                     : command                ? "argument"
                                              : "command",
                     rest[0], near.empty() ? "" : fmt::format("; did you mean {}?", near));
}

int run_command(int argc, char** argv) {
  CLI::App app{"Runs, shows, quantizes and measures DeepSeek-R1 models on your own machine.", "r1"};
  app.set_version_flag("--version", "r1 " R1_VERSION);
  app.footer(kExamples);
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Run>> commands;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(command.examples);
    commands.emplace_back(sub, command.declare(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    return refuse(explain(app, e),
                  app.get_subcommands().empty() ? "" : ' ' + app.get_subcommands()[0]->get_name());
  }
  for (const auto& [sub, run] : commands) {
    if (!sub->parsed()) continue;
    if (const auto result = run(); !result) {
      fmt::print(stderr, "r1: {}\n", printable(result.error().message));
      return interrupted() ? 130 : 1;
    }
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    fmt::print(stderr, "r1: standard output: cannot be written\n");
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  try {
    return r1::run_command(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "r1: {}\n", r1::printable(e.what()));
    return 1;
  }
}

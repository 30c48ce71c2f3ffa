// r1: one program for DeepSeek-R1. Commands are lines of kCommands.
// Exit codes: 0 done; 1 the command failed (the reason is on standard error); 2 wrong usage; 130 interrupted.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "cli/commands.h"

namespace r1 {
namespace {

const std::vector<Command> kCommands = {
    {"quantize", "write a model as GGUF in a smaller type", quantize_examples, declare_quantize},
};

int run_command(int argc, char** argv) {
  CLI::App app{"r1 runs, shows, serves, makes and measures DeepSeek-R1 models on your own machine", "r1"};
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
    return app.exit(e) == 0 ? 0 : 2;
  }
  for (const auto& [sub, run] : commands) {
    if (!sub->parsed()) continue;
    if (const auto result = run(); !result) {
      fmt::print(stderr, "r1: {}\n", result.error().message);
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  try {
    return r1::run_command(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "r1: {}\n", e.what());
    return 1;
  }
}

// Flags shared by commands that load a model or make it answer. Every value is checked while the
// command line is read: a bad one is wrong usage (exit code 2), told with flag, value and range.
#pragma once

#include <functional>
#include <string>

#include "cli/parameters.h"
#include "infer/engine.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace r1 {

// --threads --compute --kv --context --memory. `options` must outlive the parsing.
void add_engine_options(CLI::App& app, EngineOptions& options);

// Who guesses, as --speculate names it: kSpeculators. False for any other word.
inline constexpr const char* kSpeculators = "lookup|mtp|draft=FILE|off";
bool parse_speculate(const std::string& word, Speculate& who, std::string& draft_model);

// One flag per line of the parameter table. `values` must outlive the parsing.
void add_parameter_options(CLI::App& app, ParameterValues& values);

// A flag with a fixed set of values. `choices` ("auto|on|off") is also what help and shell
// completion show; `take` returns false for any other.
CLI::Option* add_choice(CLI::App& app, const std::string& flag, const std::string& choices,
                        const std::string& help, std::function<bool(const std::string&)> take);

}  // namespace r1

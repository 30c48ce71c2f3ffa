#include "cli/completion.h"

#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace r1 {

const char* const completion_examples = R"(Examples:
  source <(r1 completion bash)                                    this shell
  r1 completion bash > ~/.local/share/bash-completion/completions/r1
  r1 completion zsh > "${fpath[1]}/_r1"
  r1 completion fish > ~/.config/fish/completions/r1.fish)";

namespace {

struct Flag {
  std::string name, help;
  bool takes_value;
  std::string choices;  // "auto on off", "" for free values
};

// The values of a type written "a|b" (add_choice) or "TEXT:{a,b}" (CLI::IsMember), "" where any
// value goes.
std::string choices_of(std::string type) {
  const size_t open = type.find('{');
  if (open != type.npos) type = type.substr(open + 1, type.find('}', open) - open - 1);
  const char between = open != type.npos ? ',' : '|';
  if (open == type.npos && type.find('|') == type.npos) return "";
  std::replace(type.begin(), type.end(), between, ' ');
  return type;
}

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      flags.push_back({"--" + name, option->get_description(), option->get_items_expected_max() > 0,
                       choices_of(option->get_type_name())});
  return flags;
}

std::string joined(const std::vector<Flag>& flags) {
  std::string words;
  for (const Flag& flag : flags) words += (words.empty() ? "" : " ") + flag.name;
  return words;
}

// Inside '…' of all three shells, and free of what zsh's _arguments reads as syntax.
std::string quotable(std::string text) {
  for (char& c : text)
    if (c == '\'' || c == '[' || c == ']' || c == '\\' || c == '\n') c = ' ';
  return text;
}

std::string bash(const CLI::App& root) {
  std::string commands, cases;
  for (const CLI::App* sub : root.get_subcommands({})) {
    const std::vector<Flag> flags = flags_of(*sub);
    commands += (commands.empty() ? "" : " ") + sub->get_name();
    cases += fmt::format("    {}) flags='{}'", sub->get_name(), joined(flags));
    std::string values;
    for (const Flag& flag : flags)
      if (!flag.choices.empty())
        values += fmt::format("        {}) words='{}' ;;\n", flag.name, flag.choices);
    if (!values.empty()) cases += fmt::format("\n      case $before in\n{}      esac", values);
    cases += " ;;\n";
  }
  return fmt::format(R"(# bash completion for r1
_r1() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} flags='{}' words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{} $flags" -- "$word"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _r1 r1
)",
                     joined(flags_of(root)), commands, cases);
}

std::string zsh(const CLI::App& root) {
  std::string commands, cases;
  for (const CLI::App* sub : root.get_subcommands({})) {
    commands += fmt::format("    '{}:{}'\n", sub->get_name(), quotable(sub->get_description()));
    cases += fmt::format("    {})\n      _arguments \\\n", sub->get_name());
    for (const Flag& flag : flags_of(*sub)) {
      cases += fmt::format("        '*{}[{}]", flag.name, quotable(flag.help));
      if (flag.takes_value)
        cases += flag.choices.empty() ? ":value:_files" : fmt::format(":value:({})", flag.choices);
      cases += "' \\\n";
    }
    cases += "        '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef r1
_r1() {{
  local -a commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
if [ "$funcstack[1]" = _r1 ]; then _r1 "$@"; else compdef _r1 r1; fi
)",
                     commands, cases);
}

std::string fish(const CLI::App& root) {
  std::string script = "# fish completion for r1\n";
  for (const Flag& flag : flags_of(root))
    script += fmt::format("complete -c r1 -n __fish_use_subcommand -l {} -d '{}'\n",
                          flag.name.substr(2), quotable(flag.help));
  for (const CLI::App* sub : root.get_subcommands({})) {
    script += fmt::format("complete -c r1 -n __fish_use_subcommand -f -a {} -d '{}'\n",
                          sub->get_name(), quotable(sub->get_description()));
    for (const Flag& flag : flags_of(*sub)) {
      script += fmt::format("complete -c r1 -n '__fish_seen_subcommand_from {}' -l {} -d '{}'",
                            sub->get_name(), flag.name.substr(2), quotable(flag.help));
      if (flag.takes_value)
        script += flag.choices.empty() ? " -r" : fmt::format(" -x -a '{}'", flag.choices);
      script += '\n';
    }
  }
  return script;
}

}  // namespace

Result<std::string> completion_script(const CLI::App& root, const std::string& shell) {
  if (shell == "bash") return bash(root);
  if (shell == "zsh") return zsh(root);
  if (shell == "fish") return fish(root);
  return error("{}: must be bash, zsh or fish", shell);
}

Run declare_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check([](const std::string& value) {
        const bool known = value == "bash" || value == "zsh" || value == "fish";
        return known ? std::string() : value + ": must be bash, zsh or fish";
      });
  const CLI::App* root = app.get_parent();
  return [shell, root]() -> Result<void> {
    R1_TRY(const std::string script, completion_script(*root, *shell));
    fmt::print("{}", script);
    return {};
  };
}

}  // namespace r1

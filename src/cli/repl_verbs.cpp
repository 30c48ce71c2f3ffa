// The verbs of the conversation: one line each in kVerbs, which is also what /? and completion
// show.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "cli/repl.h"

namespace r1 {
namespace {

constexpr uint64_t kLargestConversation = 64 << 20;

constexpr std::string_view kShortcuts = R"(  Ctrl-A, Home        start of the line
  Ctrl-E, End         end of the line
  Alt-B, Ctrl-Left    word back
  Alt-F, Ctrl-Right   word forward
  Ctrl-W              delete the word before the cursor
  Ctrl-K, Ctrl-U      delete to the end, delete the line
  Up, Down, Ctrl-R    earlier, later, search what was typed
  Tab                 complete a verb
  Ctrl-L              clear the screen
  Ctrl-C              stop the answer
  Ctrl-D              leave
)";

std::string expand_home(std::string_view path) {
  const char* home = std::getenv("HOME");
  return path.starts_with("~/") && home ? home + std::string(path.substr(1)) : std::string(path);
}

// A saved conversation begins with '{'; anything else at that path is a model.
bool is_conversation(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  const auto file = MappedFile::open(path);
  if (!file) return false;
  for (const std::byte b : file->bytes()) {
    const char c = static_cast<char>(b);
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return c == '{';
  }
  return false;
}

}  // namespace

struct Verb {
  std::string_view words, arguments, help;
  Result<void> (*run)(Repl& repl, const std::string& argument);
};

struct Verbs {
  static Result<void> think(Repl& repl, const std::string&) {
    if (!repl.model_->reasoning())
      return error("{} does not support thinking", repl.model_->path());
    repl.conversation_.think = Think::kOn;
    repl.say("Thinking on.");
    return {};
  }

  static Result<void> nothink(Repl& repl, const std::string&) {
    repl.conversation_.think = Think::kOff;
    repl.say("Thinking off.");
    return {};
  }

  static Result<void> hide_thinking(Repl& repl, const std::string&) {
    repl.hide_thinking = true;
    repl.say("Thoughts are hidden.");
    return {};
  }

  static Result<void> show_thinking(Repl& repl, const std::string&) {
    repl.hide_thinking = false;
    repl.say("Thoughts are shown.");
    return {};
  }

  static Result<void> system(Repl& repl, const std::string& text) {
    repl.conversation_.system = text;
    repl.say(text.empty() ? "No system prompt." : "System prompt set.");
    return {};
  }

  static Result<void> parameter(Repl& repl, const std::string& text) {
    const size_t space = text.find(' ');
    const std::string name = text.substr(0, space);
    const Parameter* parameter = find_parameter(name);
    if (!parameter) {
      std::string known;
      for (const Parameter& p : parameters())
        known += fmt::format("  {:<18} {}; {}\n", p.name, p.help, p.range);
      return error("no parameter is named \"{}\"; there are:\n{}", name, known);
    }
    if (space == text.npos)
      return error("/set parameter {} VALUE: VALUE must be {}, or \"default\"", name,
                   parameter->range);
    const std::string value = text.substr(space + 1);
    if (value == "default") {
      repl.conversation_.parameters.reset(*parameter);
    } else {
      R1_DO(repl.conversation_.parameters.set(*parameter, value, parameter->name));
    }
    repl.say(fmt::format("{} is {}.", parameter->name, shown(repl, *parameter)));
    return {};
  }

  static Result<void> verbose(Repl& repl, const std::string&) {
    repl.verbose = true;
    repl.say("Statistics after every answer.");
    return {};
  }

  static Result<void> quiet(Repl& repl, const std::string&) {
    repl.verbose = false;
    repl.say("No statistics.");
    return {};
  }

  static Result<void> history(Repl& repl, const std::string&) {
    repl.keep_history = true;
    repl.say("What you type is kept for the next session.");
    return {};
  }

  static Result<void> nohistory(Repl& repl, const std::string&) {
    repl.keep_history = false;
    repl.say("What you type is not kept.");
    return {};
  }

  static Result<void> show_info(Repl& repl, const std::string&) {
    repl.sink_(repl.model_->info());
    return {};
  }

  static Result<void> show_parameters(Repl& repl, const std::string&) {
    const auto chosen = repl.conversation_.parameters.to_json();
    for (const Parameter& p : parameters())
      repl.say(fmt::format("  {:<18} {}{}", p.name, shown(repl, p),
                           chosen.contains(p.name) ? "  (set)" : ""));
    return {};
  }

  static Result<void> show_system(Repl& repl, const std::string&) {
    const std::string& system = repl.conversation_.system;
    repl.say(system.empty() ? "No system prompt." : printable(system));
    return {};
  }

  static Result<void> show_template(Repl& repl, const std::string&) {
    const std::string source = repl.model_->chat_template();
    repl.say(source.empty() ? "The model has no chat template." : printable(source));
    return {};
  }

  static Result<void> show_license(Repl& repl, const std::string&) {
    R1_TRY(const std::string license, repl.model_->license());
    repl.say(license.empty() ? "The model names no license." : printable(license));
    return {};
  }

  static Result<void> save(Repl& repl, const std::string& argument) {
    const std::string path = expand_home(argument);
    if (path.empty()) return error("/save FILE: FILE is missing");
    if (file_exists(path)) {
      const auto text = is_conversation(path) ? read_file(path, kLargestConversation)
                                              : Result<std::string>(Error{});
      if (!text || !Conversation::from_json(*text))
        return error("{}: exists and is no saved conversation; choose another name", path);
    }
    R1_DO(write_file(path, repl.conversation_.to_json()));
    repl.say(fmt::format("Saved {} messages to {}.", repl.conversation_.messages.size(),
                         printable(path)));
    return {};
  }

  static Result<void> load(Repl& repl, const std::string& argument) {
    const std::string path = expand_home(argument);
    if (path.empty()) return error("/load FILE: a saved conversation or a model is missing");
    if (!is_conversation(path)) return load_model(repl, path);
    R1_TRY(const std::string text, read_file(path, kLargestConversation));
    auto conversation = Conversation::from_json(text);
    if (!conversation) return std::move(conversation).error().in(path);
    const std::string held_with = std::exchange(conversation->model, repl.model_->path());
    repl.conversation_ = *std::move(conversation);
    repl.say(fmt::format("Loaded {} messages from {}.", repl.conversation_.messages.size(),
                         printable(path)));
    if (held_with != repl.model_->path())
      repl.say(fmt::format("They were held with {}; /load it to go on with that model.",
                           printable(held_with)));
    return {};
  }

  static Result<void> load_model(Repl& repl, const std::string& path) {
    R1_TRY(auto model, repl.open_(path));
    repl.model_ = std::move(model);
    repl.conversation_.model = path;
    repl.conversation_.messages.clear();
    if (!repl.model_->reasoning()) repl.conversation_.think = Think::kAuto;
    repl.say(repl.model_->startup_line());
    return {};
  }

  static Result<void> clear(Repl& repl, const std::string&) {
    repl.conversation_.messages.clear();
    repl.say("The conversation is forgotten.");
    return {};
  }

  static Result<void> help(Repl& repl, const std::string& topic);

  static Result<void> shortcuts(Repl& repl, const std::string&) {
    repl.sink_(kShortcuts);
    return {};
  }

  static std::string shown(const Repl& repl, const Parameter& parameter) {
    const auto value = parameter.get(repl.conversation_.parameters.over(repl.model_->defaults()));
    if (!value.is_null()) return printable(value.dump());
    return parameter.name == "seed" ? "random" : "none";
  }
};

namespace {

constexpr Verb kVerbs[] = {
    {"/set think", "", "think before answering", Verbs::think},
    {"/set nothink", "", "answer at once", Verbs::nothink},
    {"/set hidethinking", "", "think without showing it", Verbs::hide_thinking},
    {"/set showthinking", "", "show thoughts", Verbs::show_thinking},
    {"/set system", "TEXT", "the system prompt; none without TEXT", Verbs::system},
    {"/set parameter", "NAME VALUE", "a sampling parameter; \"default\" takes it back",
     Verbs::parameter},
    {"/set verbose", "", "statistics after every answer", Verbs::verbose},
    {"/set quiet", "", "no statistics", Verbs::quiet},
    {"/set history", "", "keep what is typed for the next session", Verbs::history},
    {"/set nohistory", "", "forget it with this session", Verbs::nohistory},
    {"/show info", "", "the model", Verbs::show_info},
    {"/show parameters", "", "their values", Verbs::show_parameters},
    {"/show system", "", "the system prompt", Verbs::show_system},
    {"/show template", "", "the chat template", Verbs::show_template},
    {"/show license", "", "the model's license", Verbs::show_license},
    {"/save", "FILE", "the conversation, as JSON", Verbs::save},
    {"/load", "FILE", "a saved conversation, or another model", Verbs::load},
    {"/clear", "", "forget the conversation", Verbs::clear},
    {"/? shortcuts", "", "keys", Verbs::shortcuts},
    {"/?", "", "this list; also /help", Verbs::help},
    {"/help", "", "", Verbs::help},
    {"/bye", "", "leave; also /exit", nullptr},
    {"/exit", "", "", nullptr},
};

// The verbs whose words begin with `start`, or all of them.
std::string list_verbs(std::string_view start) {
  std::string list;
  for (const Verb& verb : kVerbs)
    if (verb.words.starts_with(start) && !verb.help.empty())
      list +=
          fmt::format("  {:<28} {}\n", fmt::format("{} {}", verb.words, verb.arguments), verb.help);
  return list.empty() && !start.empty() ? list_verbs("") : list;
}

}  // namespace

Result<void> Verbs::help(Repl& repl, const std::string& topic) {
  repl.sink_(list_verbs(topic.empty() || topic.starts_with('/') ? topic : '/' + topic));
  if (topic.empty())
    repl.say("  \"\"\"                          opens and closes a message of several lines");
  return {};
}

bool Repl::run_verb(const std::string& input) {
  for (const Verb& verb : kVerbs) {
    if (!input.starts_with(verb.words)) continue;
    const std::string_view rest = std::string_view(input).substr(verb.words.size());
    if (!rest.empty() && rest[0] != ' ' && rest[0] != '\n') continue;
    if (!verb.run) return false;
    const size_t argument = rest.find_first_not_of(" \n");
    const auto done =
        verb.run(*this, argument == rest.npos ? "" : std::string(rest.substr(argument)));
    if (!done) fail(done.error());
    return true;
  }
  const std::string group = input.substr(0, input.find(' '));
  fail(error("no such verb: {}; there are:", input.substr(0, input.find('\n'))));
  sink_(list_verbs(group));
  say("A message that begins with / goes between \"\"\" and \"\"\".");
  return true;
}

std::vector<std::string> complete_verb(std::string_view text) {
  std::vector<std::string> choices;
  for (const Verb& verb : kVerbs)
    if (verb.words.starts_with(text))
      choices.emplace_back(std::string(verb.words) + (verb.arguments.empty() ? "" : " "));
  constexpr std::string_view kParameter = "/set parameter ";
  if (!text.starts_with(kParameter)) return choices;
  for (const Parameter& p : parameters())
    if (p.name.starts_with(text.substr(kParameter.size())))
      choices.push_back(std::string(kParameter) + std::string(p.name) + ' ');
  return choices;
}

}  // namespace r1

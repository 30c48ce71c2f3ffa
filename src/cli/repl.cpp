#include "cli/repl.h"

#include "cli/ask.h"
#include "cli/interrupt.h"

namespace r1 {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr std::string_view kSetSystem = "/set system ";

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Where the text of a """ block begins: the input's start, or the text of /set system. npos: no
// block.
size_t block_begin(std::string_view input) {
  const size_t at = input.starts_with(kSetSystem) ? kSetSystem.size() : 0;
  return input.substr(at).starts_with(kQuotes) ? at + kQuotes.size() : input.npos;
}

bool block_open(std::string_view input) {
  const size_t begin = block_begin(input);
  return begin != input.npos && input.find(kQuotes, begin) == input.npos;
}

// The input without the quotes of its block and the line breaks beside them.
std::string unquoted(const std::string& input) {
  const size_t begin = block_begin(input);
  if (begin == input.npos) return std::string(trim(input));
  const size_t end = std::min(input.find(kQuotes, begin), input.size());
  std::string_view text = std::string_view(input).substr(begin, end - begin);
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return input.substr(0, begin - kQuotes.size()) + std::string(text);
}

}  // namespace

Repl::Repl(std::unique_ptr<ChatModel> model, OpenModel open, Conversation start, TextSink sink)
    : model_(std::move(model)),
      open_(std::move(open)),
      conversation_(std::move(start)),
      sink_(std::move(sink)) {
  conversation_.model = model_->path();
}

bool Repl::take(const std::string& input) {
  const bool verb = input.starts_with('/');
  const std::string text = unquoted(input);
  if (verb) return run_verb(text);
  if (!trim(text).empty()) send(text);
  return true;
}

void Repl::run(LineReader& reader) {
  const InterruptGuard guard;
  say(model_->chats()
          ? "Send a message, or /? for help."
          : "This model has no chat template: it continues what you write. /? for help.");
  for (;;) {
    LineReader::Line line = reader.read(">>> ");
    std::string input = line.text;
    while (line.end == LineReader::End::kLine && block_open(input)) {
      line = reader.read("... ");
      input += '\n' + line.text;
    }
    if (line.end == LineReader::End::kEof) return;
    if (line.end == LineReader::End::kInterrupt) {
      say("Ctrl-D or /bye leaves.");
      continue;
    }
    if (keep_history && !trim(input).empty()) reader.remember(input);
    if (!take(input)) return;
  }
}

void Repl::send(const std::string& message) {
  conversation_.messages.push_back({"user", message, ""});
  const Terminal screen = terminal();
  AnswerPrinter printer(screen, !hide_thinking, sink_);
  auto answer = ask(*model_, conversation_, &printer);
  if (!answer) {
    conversation_.messages.pop_back();  // it can be sent again
    return fail(answer.error());
  }
  const Completion& completion = answer->completion;
  conversation_.messages.push_back({"assistant", completion.answer, completion.thought});
  const Styles style = styles(screen);
  if (const std::string why = ending(completion); !why.empty())
    say(fmt::format("{}({}){}", style.dim, why, style.reset));
  if (verbose) sink_(fmt::format("\n{}{}{}", style.dim, statistics(*answer), style.reset));
  sink_("\n");
}

void Repl::say(std::string_view text) { sink_(fmt::format("{}\n", text)); }

void Repl::fail(const Error& error) {
  const Styles style = styles(terminal());
  say(fmt::format("{}{}{}", style.error, printable(error.message), style.reset));
}

}  // namespace r1

// The conversation at a prompt. Verbs are the ones people know from Ollama, one line each in
// repl_verbs.cpp; anything else is a message for the model. """ opens and closes a message of
// several lines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/answer_printer.h"
#include "cli/chat_model.h"
#include "cli/conversation.h"
#include "cli/line_reader.h"

namespace r1 {

class Repl {
 public:
  Repl(std::unique_ptr<ChatModel> model, OpenModel open, Conversation start, TextSink sink);

  // One whole input: a message or a verb. False: the person wants to leave.
  bool take(const std::string& input);

  // Reads inputs until the person leaves.
  void run(LineReader& reader);

  const Conversation& conversation() const { return conversation_; }

  bool hide_thinking = false, verbose = false;
  bool keep_history = true;
  std::function<Terminal()> terminal = [] {
    return Terminal{};
  };  // what stands at the end of the sink

 private:
  friend struct Verbs;

  void send(const std::string& message);
  bool run_verb(const std::string& input);
  void say(std::string_view text);  // a line of ours
  void fail(const Error& error);    // what went wrong

  std::unique_ptr<ChatModel> model_;
  OpenModel open_;
  Conversation conversation_;
  TextSink sink_;
};

// What `text` may go on as: verbs, and parameters after "/set parameter ".
std::vector<std::string> complete_verb(std::string_view text);

}  // namespace r1

// One question to a model: what r1 run and the REPL share. Ctrl-C stops the answer and keeps what
// there is.
#pragma once

#include <string>

#include "cli/answer_printer.h"
#include "cli/chat_model.h"
#include "cli/conversation.h"

namespace r1 {

struct Answer {
  Completion completion;
  uint64_t seed = 0;
};

// The answer to the conversation's last message. `printer` may be null.
Result<Answer> ask(ChatModel& model, const Conversation& conversation, AnswerPrinter* printer);

std::string statistics(const Answer& answer);  // lines for people: tokens, seconds, rates, seed
nlohmann::ordered_json to_json(const Answer& answer, const std::string& model);

// Why an answer ended, where that needs saying; "" for a natural end.
std::string ending(const Completion& completion);

}  // namespace r1

// A puzzle put to the small model that comes with r1: it thinks, answers, and room grade checks.
#pragma once

#include <functional>
#include <string_view>

#include "cli/chat_model.h"
#include "cli/conversation.h"

namespace r1 {

// A Countdown problem that r1-nano never saw in training, drawn by the conversation's seed or,
// where it has none, by the operating system. Shows the problem, the thought, the answer and the
// verdict.
Result<void> put_puzzle(ChatModel& model, Conversation conversation, bool show_thought,
                        const std::function<void(std::string_view)>& print);

}  // namespace r1

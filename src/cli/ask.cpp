#include "cli/ask.h"

#include "base/rng.h"
#include "base/units.h"
#include "cli/interrupt.h"

namespace r1 {
namespace {

// 53 bits, so that every JSON reader keeps the number exactly.
uint64_t fresh_seed() { return fresh_number() >> 11; }

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

}  // namespace

Result<Answer> ask(ChatModel& model, const Conversation& conversation, AnswerPrinter* printer) {
  const ChatSettings settings = conversation.parameters.over(model.defaults());
  GenerateParams params = settings.generate;
  params.sampling.seed = settings.seed ? *settings.seed : fresh_seed();

  const InterruptGuard guard;
  clear_interrupt();
  auto completion = model.answer(conversation.for_template(), conversation.think, params,
                                 [&](const Piece& piece) {
                                   if (printer) printer->show(piece);
                                   return !interrupted();
                                 });
  if (printer) printer->finish();
  if (!completion) return std::move(completion).error();
  return Answer{*std::move(completion), params.sampling.seed};
}

namespace {

// Where experts stay in the file.
std::string expert_line(const Completion& c) {
  if (c.experts_asked == 0) return "";
  return fmt::format(
      "experts   {:.1f} % of {} found in memory, {} read\n",
      100 * static_cast<double>(c.experts_found) / static_cast<double>(c.experts_asked),
      format_grouped(c.experts_asked), format_bytes(c.expert_bytes_read));
}

}  // namespace

std::string statistics(const Answer& answer) {
  const Completion& c = answer.completion;
  std::string guesses;
  if (c.drafted_tokens > 0) {
    guesses = fmt::format("guessed   {} tokens, {} of them right; decoding {:.2f} times as fast\n",
                          c.drafted_tokens, c.accepted_tokens, c.plain_seconds / c.decode_seconds);
  }
  return fmt::format(
      "prompt    {} tokens, {} of them cached\n"
      "prefill   {}, {:.1f} tokens/s\n"
      "thought   {} tokens\n"
      "answer    {} tokens\n"
      "decode    {}, {:.1f} tokens/s\n"
      "{}"
      "finish    {}\n"
      "seed      {}\n{}",
      c.prompt_tokens, c.cached_tokens, format_seconds(c.prefill_seconds),
      rate(c.prompt_tokens - c.cached_tokens, c.prefill_seconds), c.thought_tokens,
      c.generated_tokens - c.thought_tokens, format_seconds(c.decode_seconds),
      rate(c.generated_tokens, c.decode_seconds), guesses, name(c.reason), answer.seed,
      expert_line(c));
}

nlohmann::ordered_json to_json(const Answer& answer, const std::string& model) {
  const Completion& c = answer.completion;
  return {{"model", model},
          {"thought", c.thought},
          {"answer", c.answer},
          {"finish_reason", name(c.reason)},
          {"seed", answer.seed},
          {"prompt_tokens", c.prompt_tokens},
          {"cached_tokens", c.cached_tokens},
          {"thought_tokens", c.thought_tokens},
          {"answer_tokens", c.generated_tokens - c.thought_tokens},
          {"experts_asked", c.experts_asked},
          {"experts_found", c.experts_found},
          {"expert_bytes_read", c.expert_bytes_read},
          {"load_seconds", c.load_seconds},
          {"prefill_seconds", c.prefill_seconds},
          {"decode_seconds", c.decode_seconds},
          {"drafted_tokens", c.drafted_tokens},
          {"accepted_tokens", c.accepted_tokens},
          {"plain_decode_seconds", c.plain_seconds},
          {"prefill_tokens_per_second", rate(c.prompt_tokens - c.cached_tokens, c.prefill_seconds)},
          {"decode_tokens_per_second", rate(c.generated_tokens, c.decode_seconds)}};
}

std::string ending(const Completion& completion) {
  switch (completion.reason) {
    case FinishReason::kStop:
      return "";
    case FinishReason::kLength:
      return fmt::format("stopped after max_tokens: {} tokens", completion.generated_tokens);
    case FinishReason::kContext:
      return fmt::format(
          "the context is full: {} tokens of prompt, {} of answer; --context N sets its size",
          completion.prompt_tokens, completion.generated_tokens);
    case FinishReason::kCancelled:
      return "stopped";
  }
  return "";
}

}  // namespace r1

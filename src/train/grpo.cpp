#include "train/grpo.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "grade/behaviour.h"
#include "grade/score.h"

namespace r1 {
namespace {

// Streams of the run's seed.
constexpr uint64_t kAnswers = 0x67727061, kHeldOut = 0x67727065, kShuffle = 0x67727073;

// The seed of answer i to a question.
uint64_t answer_seed(uint64_t seed, Question q, int64_t i) {
  const auto number = static_cast<uint64_t>(q.number);
  const auto bits = philox4x32(
      {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32), static_cast<uint32_t>(i),
       static_cast<uint32_t>(q.held_out ? kHeldOut : kAnswers)},
      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return uint64_t{bits[0]} << 32 | bits[1];
}

class Clock {
 public:
  // Seconds since the last call, or since it was made.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(start_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void put(StepReport& report, std::string name, double value) {
  report.metrics.values.emplace_back(std::move(name), value);
}

double share(auto count, auto of) {
  return of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of);
}

std::vector<TrainSequence> sequences(const auto& lessons) {
  std::vector<TrainSequence> batch;
  for (const auto& lesson : lessons) batch.push_back({lesson.rollout.ids, lesson.rollout.first});
  return batch;
}

}  // namespace

// All answers of a rollout, those that teach nothing included.
struct GrpoTrainer::Drawn {
  std::vector<Question> questions;
  std::vector<Rollout> rollouts;  // group after group
  std::vector<Verdict> verdicts;
  std::vector<double> rewards;  // with the overlong penalty
  std::vector<bool> signal;     // of each group
  double rollout_seconds = 0, judge_seconds = 0;

  int64_t n_signal() const { return std::ranges::count(signal, true); }
};

GrpoTrainer::GrpoTrainer(const Model& model, Context& ctx, const Questions& questions,
                         const GrpoOptions& options, const RolloutOptions& rollout,
                         const Learner::Options& learner)
    : model_(model),
      ctx_(ctx),
      questions_(questions),
      options_(options),
      rollout_(rollout),
      learner_(model, ctx, learner) {
  R1_CHECK(options.prompts > 0 && options.group > 0 && options.minibatches > 0 &&
           options.epochs > 0);
  if (!refers()) return;
  for (const ModelParameter& p : model.parameters()) {
    reference_.emplace_back(p.values.data(), p.values.data() + p.values.size());
  }
}

Result<StepReport> GrpoTrainer::step(int64_t step) {
  StepReport report;
  Clock clock;
  int64_t learned_tokens = 0;
  const bool fresh = next_ >= n_minibatches();
  if (fresh) R1_DO(draw(step, report));
  if (next_ < n_minibatches()) {
    for (const size_t i : minibatch(next_)) learned_tokens += std::ssize(lessons_[i].rollout.logp);
    if (auto learned = learn(report, fresh); !learned) {
      learner_.drop_gradients();
      return error("step {}, minibatch {} of {} of rollout {}: {}; its questions: {}", step,
                   next_ + 1, n_minibatches(), rollouts_, learned.error().message, asked_in(next_));
    }
    ++next_;
  }
  const double seconds = clock.lap();
  put(report, "tokens_per_second", share(learned_tokens, seconds));
  put(report, "step_seconds", seconds);
  return report;
}

// Minibatches of the rollout at hand, in all epochs.
int64_t GrpoTrainer::n_minibatches() const {
  return std::min(options_.minibatches, std::ssize(lessons_)) * options_.epochs;
}

// Numbers of its lessons: the lessons are shuffled for each epoch, and cut into parts of nearly one
// size.
std::vector<size_t> GrpoTrainer::minibatch(int64_t number) const {
  const auto n = std::ssize(lessons_), parts = n_minibatches() / options_.epochs;
  const int64_t epoch = number / parts, part = number % parts;
  std::vector<size_t> order(lessons_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (parts > 1) {
    const auto key = [&](size_t i) {
      const auto turn = static_cast<uint64_t>((rollouts_ * options_.epochs + epoch) * n);
      return std::pair(uniform(options_.seed, kShuffle, turn + i), i);
    };
    std::ranges::sort(order, {}, key);
  }
  return {order.begin() + part * n / parts, order.begin() + (part + 1) * n / parts};
}

// Its questions, for people: "Use 1, 5, 8 to make 40.", "Use 2, 3, 9 to make 15." and 30 more.
std::string GrpoTrainer::asked_in(int64_t number) const {
  constexpr size_t kMost = 8;
  std::set<int64_t> asked;
  for (const size_t i : minibatch(number)) asked.insert(lessons_[i].question);
  std::string text;
  size_t told = 0;
  for (const int64_t question : asked) {
    if (told++ == kMost) return text + fmt::format(" and {} more", asked.size() - kMost);
    text +=
        fmt::format("{}\"{}\"", told > 1 ? ", " : "", questions_.text(Question{false, question}));
  }
  return text;
}

Result<std::vector<Rollout>> GrpoTrainer::answers_to(std::span<const Question> questions, int64_t n,
                                                     float temperature) const {
  std::vector<RolloutPrompt> prompts;
  for (const Question& q : questions) {
    R1_TRY(std::vector<int32_t> ids, questions_.prompt(q));
    RolloutPrompt& prompt = prompts.emplace_back();
    prompt.ids = std::move(ids);
    for (int64_t i = 0; i < n; ++i) prompt.seeds.push_back(answer_seed(options_.seed, q, i));
  }
  RolloutOptions rollout = rollout_;
  rollout.temperature = temperature;
  return roll_out(model_, ctx_, rollout, prompts);
}

// Asks further questions and judges the answers.
Result<void> GrpoTrainer::draw_round(int64_t n_questions, Drawn& drawn) {
  std::vector<Question> questions;
  for (int64_t i = 0; i < n_questions; ++i) questions.push_back({false, asked_ + i});
  Clock clock;
  R1_TRY(std::vector<Rollout> rollouts,
         answers_to(questions, options_.group, rollout_.temperature));
  drawn.rollout_seconds += clock.lap();
  const auto group = static_cast<size_t>(options_.group);
  for (size_t i = 0; i < rollouts.size(); ++i) {
    const auto length = std::ssize(rollouts[i].answer());
    Verdict verdict = questions_.judge(questions[i / group], rollouts[i].answer());
    double reward = verdict.reward;
    if (options_.overlong_buffer > 0) {
      reward += options_.overlong_weight *
                overlong_penalty(length, rollout_.max_tokens, options_.overlong_buffer);
    }
    drawn.verdicts.push_back(std::move(verdict));
    drawn.rewards.push_back(reward);
    if (i % group == group - 1) {
      const auto last = std::span(drawn.rewards).last(group);
      drawn.signal.push_back(std::ranges::any_of(last, [&](double r) { return r != last[0]; }));
    }
  }
  std::ranges::move(rollouts, std::back_inserter(drawn.rollouts));
  drawn.questions.insert(drawn.questions.end(), questions.begin(), questions.end());
  drawn.judge_seconds += clock.lap();
  asked_ += n_questions;
  return {};
}

Result<void> GrpoTrainer::draw(int64_t step, StepReport& report) {
  if (options_.reference_every > 0 && step >= reference_step_ + options_.reference_every) {
    reference_step_ = step;
    for (size_t i = 0; i < reference_.size(); ++i) {
      const Tensor& values = model_.parameters()[i].values;
      std::copy_n(values.data(), values.size(), reference_[i].data());
    }
  }
  Drawn drawn;
  R1_DO(draw_round(options_.prompts, drawn));
  for (int64_t round = 0; round < options_.resample_rounds; ++round) {
    const int64_t missing = options_.prompts - drawn.n_signal();
    if (missing <= 0) break;
    R1_DO(draw_round(missing, drawn));
  }
  ++rollouts_;
  next_ = 0;
  lessons_.clear();
  const std::vector<double> advantage =
      advantages(drawn.rewards, static_cast<int>(options_.group), options_.objective.advantage);
  const auto group = static_cast<size_t>(options_.group);
  summarize(drawn, report);
  for (size_t i = 0; i < drawn.rollouts.size(); ++i) {
    if (!drawn.signal[i / group]) continue;
    lessons_.push_back({drawn.questions[i / group].number,
                        std::move(drawn.rollouts[i]),
                        static_cast<float>(advantage[i]),
                        {}});
  }
  Clock clock;
  if (refers()) R1_DO(refer(step));
  put(report, "seconds/rollout", drawn.rollout_seconds);
  put(report, "seconds/judge", drawn.judge_seconds);
  put(report, "seconds/reference", clock.lap());
  return {};
}

void GrpoTrainer::summarize(const Drawn& drawn, StepReport& report) const {
  const auto n = static_cast<double>(drawn.rollouts.size());
  double right = 0, tokens = 0, longest = 0, capped = 0, surprise = 0, squares = 0;
  const double mean = std::accumulate(drawn.rewards.begin(), drawn.rewards.end(), 0.0) / n;
  const std::vector<std::string> parts = questions_.parts();
  std::vector<double> part_sums(parts.size());
  Behaviours behaviours;
  for (size_t i = 0; i < drawn.rollouts.size(); ++i) {
    const Rollout& rollout = drawn.rollouts[i];
    const auto length = static_cast<double>(rollout.logp.size());
    right += drawn.verdicts[i].right;
    tokens += length;
    longest = std::max(longest, length);
    capped += rollout.capped;
    squares += std::pow(drawn.rewards[i] - mean, 2);
    for (const float logp : rollout.logp) surprise -= logp;
    for (size_t p = 0; p < parts.size(); ++p) part_sums[p] += drawn.verdicts[i].parts[p];
    const std::string text = questions_.text(rollout.answer());
    const Behaviours b = count_behaviours(text);
    behaviours.verification += b.verification;
    behaviours.backtracking += b.backtracking;
    behaviours.attempts += b.attempts;
    if (std::ssize(report.samples) < options_.samples &&
        i % static_cast<size_t>(options_.group) == 0) {
      const Question& q = drawn.questions[i / static_cast<size_t>(options_.group)];
      report.samples.push_back({.step = 0,
                                .held_out = false,
                                .prompt = questions_.text(q),
                                .completion = text,
                                .reward = drawn.rewards[i],
                                .tokens = std::ssize(rollout.logp),
                                .capped = rollout.capped});
    }
  }
  put(report, "reward/mean", mean);
  put(report, "reward/std", std::sqrt(squares / n));
  put(report, "accuracy", right / n);
  for (size_t p = 0; p < parts.size(); ++p) put(report, "reward/" + parts[p], part_sums[p] / n);
  put(report, "groups/signal", share(drawn.n_signal(), drawn.signal.size()));
  put(report, "groups/drawn", static_cast<double>(drawn.signal.size()));
  put(report, "length/mean", tokens / n);
  put(report, "length/max", longest);
  put(report, "length/capped", capped / n);
  // The mean of -log p of what was drawn: at temperature 1 an unbiased estimate of the entropy of
  // what is drawn from.
  put(report, "entropy", surprise / tokens);
  put(report, "behaviour/verification", static_cast<double>(behaviours.verification) / n);
  put(report, "behaviour/backtracking", static_cast<double>(behaviours.backtracking) / n);
  put(report, "behaviour/attempts", static_cast<double>(behaviours.attempts) / n);
  put(report, "tokens_per_second/rollout", share(tokens, drawn.rollout_seconds));
}

// What the reference says of the lessons. Where it is what they were drawn from, that is what the
// rollout said (law 1).
Result<void> GrpoTrainer::refer(int64_t step) {
  if (lessons_.empty()) return {};
  if (step == reference_step_) {
    for (Lesson& lesson : lessons_) lesson.reference_logp = lesson.rollout.logp;
    return {};
  }
  swap_reference();
  const auto logp = learner_.log_probabilities(sequences(lessons_));
  swap_reference();
  if (!logp) return logp.error();
  auto at = logp->begin();
  for (Lesson& lesson : lessons_) {
    const auto n = std::ssize(lesson.rollout.logp);
    lesson.reference_logp.assign(at, at + n);
    at += n;
  }
  return {};
}

// The reference and the live weights change places.
void GrpoTrainer::swap_reference() {
  for (size_t i = 0; i < reference_.size(); ++i) {
    const ModelParameter& p = model_.parameters()[i];
    std::swap_ranges(reference_[i].begin(), reference_[i].end(), p.values.data());
    p.refresh(ctx_);
  }
}

// One step of the optimizer on the next minibatch. fresh: the weights are those the rollout was
// drawn from, so that every ratio is 1.
Result<void> GrpoTrainer::learn(StepReport& report, bool fresh) {
  std::vector<const Lesson*> lessons;
  std::vector<TrainSequence> batch;
  LossShape shape{.n_answers = 0, .n_tokens = 0, .max_length = rollout_.max_tokens};
  for (const size_t i : minibatch(next_)) {
    const Lesson& lesson = *lessons.emplace_back(&lessons_[i]);
    batch.push_back({lesson.rollout.ids, lesson.rollout.first});
    ++shape.n_answers;
    shape.n_tokens += lesson.rollout.logp.size();
  }
  LossSums sums;
  double deviation = 0, mismatch = 0;
  const auto gradient_of = [&](size_t i, std::span<const float> logp, std::span<float> gradient) {
    const Lesson& lesson = *lessons[i];
    const auto wide = [](std::span<const float> x) {
      return std::vector<double>(x.begin(), x.end());
    };
    const auto now = wide(logp), old = wide(lesson.rollout.logp), ref = wide(lesson.reference_logp);
    std::vector<double> by_logp(now.size());
    answer_loss(options_.objective,
                {.advantage = double{lesson.advantage},
                 .logp = now,
                 .old_logp = old,
                 .reference_logp = ref},
                shape, sums, by_logp);
    for (size_t t = 0; t < now.size(); ++t) {
      gradient[t] = static_cast<float>(by_logp[t]);
      mismatch = std::max(mismatch, std::abs(now[t] - old[t]));
      deviation = std::max(deviation, std::abs(std::exp(now[t] - old[t]) - 1));
    }
  };
  Clock clock;
  R1_DO(learner_.accumulate(batch, gradient_of));
  const double gradient_seconds = clock.lap();
  R1_TRY(const Learner::Step done, learner_.step());
  put(report, "loss", sums.loss);
  if (refers()) put(report, "kl", sums.mean_kl);
  put(report, "clip_share", sums.clipped_share);
  put(report, "ratio/deviation", deviation);
  if (fresh) put(report, "mismatch", mismatch);
  put(report, "gradient_norm", done.gradient_norm);
  put(report, "lr", done.lr);
  put(report, "tokens", static_cast<double>(shape.n_tokens));
  put(report, "tokens_per_second/train", share(shape.n_tokens, gradient_seconds));
  put(report, "seconds/gradient", gradient_seconds);
  put(report, "seconds/optimizer", clock.lap());
  return {};
}

}  // namespace r1

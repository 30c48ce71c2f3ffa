// What a run of GRPO measures on held-out questions, and what it keeps to go on.
#include <algorithm>
#include <cstring>

#include "grade/score.h"
#include "train/grpo.h"

namespace r1 {
namespace {

constexpr size_t kShape = 4;  // of a lesson: ids, the answer's first, capped, reference tokens

// Error: not there, or of another type or size than `n` numbers, where n is not negative.
template <class T>
Result<std::vector<T>> numbers(const SavedState& state, std::string_view name, DType type) {
  const TensorInfo* tensor = state.find(name);
  if (!tensor) return error("{} is missing", name);
  if (tensor->dtype != type || tensor->bytes.size() % sizeof(T) != 0)
    return error("{} is {}: {} expected", name, info(tensor->dtype).name, info(type).name);
  std::vector<T> values(tensor->bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}

}  // namespace

Result<EvaluationReport> GrpoTrainer::evaluate(int64_t step) {
  int64_t n = questions_.n_held_out();
  if (options_.evaluate_questions > 0) n = std::min(n, options_.evaluate_questions);
  std::vector<Question> questions;
  for (int64_t i = 0; i < n; ++i) questions.push_back({true, i});
  const int64_t samples = options_.evaluate_samples;
  R1_TRY(const std::vector<Rollout> drawn, answers_to(questions, samples, rollout_.temperature));
  R1_TRY(const std::vector<Rollout> greedy, answers_to(questions, 1, 0));
  EvaluationReport report;
  std::vector<Graded> graded;
  double greedy_right = 0;
  for (size_t i = 0; i < drawn.size(); ++i) {
    const Question q = questions[i / static_cast<size_t>(samples)];
    Verdict verdict = questions_.judge(q, drawn[i].answer());
    const bool first = i % static_cast<size_t>(samples) == 0;
    if (first && std::ssize(report.samples) < options_.samples) {
      report.samples.push_back({.step = step,
                                .held_out = true,
                                .prompt = questions_.text(q),
                                .completion = questions_.text(drawn[i].answer()),
                                .reward = verdict.reward,
                                .tokens = std::ssize(drawn[i].logp),
                                .capped = drawn[i].capped});
    }
    if (first)
      greedy_right += questions_.judge(q, greedy[static_cast<size_t>(q.number)].answer()).right;
    graded.push_back({.right = verdict.right,
                      .vote = std::move(verdict.vote),
                      .tokens = std::ssize(drawn[i].logp),
                      .capped = drawn[i].capped});
  }
  const Score s = score(graded, samples);
  const auto value = [&](std::string name, const Estimate& e) {
    report.evaluation.values.push_back({std::move(name), e.value, e.low, e.high});
  };
  const auto plain = [&](std::string name, double x) { value(std::move(name), {x, x, x}); };
  value("pass@1", s.pass_1());
  value(fmt::format("cons@{}", samples), s.cons_n);
  value(fmt::format("pass@{}", samples), s.pass_n());
  plain("greedy", greedy_right / static_cast<double>(n));
  plain("length", s.mean_tokens);
  plain("capped", s.capped);
  report.score = s.pass_1().value;
  return report;
}

SavedState GrpoTrainer::state() {
  SavedState state;
  learner_.save(state);
  for (size_t i = 0; i < reference_.size(); ++i) {
    const ModelParameter& p = model_.parameters()[i];
    state.tensors.push_back(state_tensor("reference/" + p.name, p.shape, reference_[i]));
  }
  state.values["grpo.rollouts"] = rollouts_;
  state.values["grpo.asked"] = asked_;
  state.values["grpo.reference_step"] = reference_step_;
  state.values["grpo.next"] = next_;
  flat_ = {};
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  // A rollout that is used up is not needed again.
  for (const Lesson& l : std::span(lessons_).first(next_ < n_minibatches() ? lessons_.size() : 0)) {
    flat_.questions.push_back(static_cast<int32_t>(l.question));
    append(flat_.ids, l.rollout.ids);
    append(flat_.shape,
           std::vector{static_cast<int32_t>(l.rollout.ids.size()),
                       static_cast<int32_t>(l.rollout.first), int32_t{l.rollout.capped},
                       static_cast<int32_t>(l.reference_logp.size())});
    append(flat_.logp, l.rollout.logp);
    append(flat_.reference_logp, l.reference_logp);
    flat_.advantages.push_back(l.advantage);
  }
  const auto floats = [&](std::string name, const std::vector<float>& values) {
    state.tensors.push_back(state_tensor(std::move(name), {std::ssize(values)}, values));
  };
  state.tensors.push_back(state_tensor("rollout/questions", flat_.questions));
  state.tensors.push_back(state_tensor("rollout/ids", flat_.ids));
  state.tensors.push_back(state_tensor("rollout/shape", flat_.shape));
  floats("rollout/logp", flat_.logp);
  floats("rollout/reference_logp", flat_.reference_logp);
  floats("rollout/advantages", flat_.advantages);
  return state;
}

Result<void> GrpoTrainer::restore(const SavedState& state) {
  R1_DO(learner_.restore(state));
  for (size_t i = 0; i < reference_.size(); ++i)
    R1_DO(state.copy("reference/" + model_.parameters()[i].name, reference_[i]));
  R1_TRY(rollouts_, state.integer("grpo.rollouts"));
  R1_TRY(asked_, state.integer("grpo.asked"));
  R1_TRY(reference_step_, state.integer("grpo.reference_step"));
  R1_TRY(next_, state.integer("grpo.next"));
  R1_TRY(const auto asked, numbers<int32_t>(state, "rollout/questions", DType::kI32));
  R1_TRY(const auto ids, numbers<int32_t>(state, "rollout/ids", DType::kI32));
  R1_TRY(const auto shape, numbers<int32_t>(state, "rollout/shape", DType::kI32));
  R1_TRY(const auto logp, numbers<float>(state, "rollout/logp", DType::kF32));
  R1_TRY(const auto reference, numbers<float>(state, "rollout/reference_logp", DType::kF32));
  R1_TRY(const auto advantages, numbers<float>(state, "rollout/advantages", DType::kF32));
  const Error mismatch{"the tensors of the rollout do not fit one another"};
  if (shape.size() != advantages.size() * kShape || asked.size() != advantages.size() || next_ < 0)
    return mismatch;
  lessons_.clear();
  // Takes the next n elements of a tensor.
  const auto take = [](const auto& from, size_t& at, int32_t n) {
    const bool there = n >= 0 && static_cast<size_t>(n) <= from.size() - at;
    auto part = std::span(from).subspan(at, there ? static_cast<size_t>(n) : 0);
    at += part.size();
    return part;
  };
  size_t at_ids = 0, at_logp = 0, at_reference = 0;
  for (size_t i = 0; i < advantages.size(); ++i) {
    const auto s = std::span(shape).subspan(i * kShape, kShape);
    const auto own_ids = take(ids, at_ids, s[0]);
    const auto own_logp = take(logp, at_logp, s[0] - s[1]);
    const auto own_reference = take(reference, at_reference, s[3]);
    if (s[1] < 1 || s[1] >= s[0] || std::ssize(own_ids) != s[0] ||
        std::ssize(own_logp) != s[0] - s[1] ||
        std::ssize(own_reference) != (refers() ? s[0] - s[1] : 0)) {
      return mismatch;
    }
    for (const int32_t id : own_ids) {
      if (id < 0 || id >= model_.config().vocab_size) return mismatch;
    }
    lessons_.push_back({.question = std::max(0, asked[i]),
                        .rollout = {.ids = {own_ids.begin(), own_ids.end()},
                                    .first = s[1],
                                    .logp = {own_logp.begin(), own_logp.end()},
                                    .capped = s[2] != 0},
                        .advantage = advantages[i],
                        .reference_logp = {own_reference.begin(), own_reference.end()}});
  }
  return {};
}

}  // namespace r1

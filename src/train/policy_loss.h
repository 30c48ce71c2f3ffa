// Policy-gradient objectives on groups of answers, as printed in their papers: GRPO (arXiv
// 2402.03300 eq. 3; R1 eq. 1-3), Dr. GRPO (2503.20783), DAPO (2503.14476), GSPO (2507.18071), CISPO
// (2506.13585). Pure functions in double precision: log-probabilities in, a loss and its gradient
// by every new log-probability out.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace r1 {

enum class Advantage : uint8_t {
  kStd,   // (r - mean) / (std + 1e-6) of the group, std with n - 1
  kMean,  // r - mean (Dr. GRPO)
};
enum class Ratio : uint8_t {
  kToken,     // pi / pi_old of each token
  kSequence,  // the geometric mean of an answer's tokens (GSPO eq. 7)
};
enum class Reduce : uint8_t {
  kSequence,  // mean over answers of the mean over an answer's tokens
  kToken,     // mean over all tokens (DAPO)
  kConstant,  // sum over all tokens / (answers * max_length) (Dr. GRPO)
};

struct PolicyObjective {
  Advantage advantage = Advantage::kStd;
  Ratio ratio = Ratio::kToken;
  Reduce reduce = Reduce::kSequence;
  double clip_low = 0.2, clip_high = 0.2;  // the ratio is clipped to [1 - clip_low, 1 + clip_high]
  double kl_coef = 0;                      // of the k3 estimate of KL(pi || pi_ref), in the loss
  // CISPO: the clipped ratio is a constant weight of log pi; no token loses its gradient.
  bool stop_gradient_ratio = false;
};

// The published settings by name: grpo, grpo_r1, dr_grpo, dapo, gspo, cispo. Null: none of these.
const PolicyObjective* find_objective(std::string_view name);
std::span<const std::string_view> objective_names();

// Advantages of answers, groups of group_size in a row; rewards.size() is a multiple of it.
std::vector<double> advantages(std::span<const double> rewards, int group_size, Advantage kind);

// One answer: log-probabilities of its tokens, all of one length. reference may be empty: no KL.
struct Answer {
  double advantage = 0;
  std::span<const double> logp, old_logp, reference_logp;
};

// What all answers of a loss share: their number and that of their tokens, at least 1, and the
// divisor of Reduce::kConstant.
struct LossShape {
  size_t n_answers = 0, n_tokens = 0;
  int64_t max_length = 0;
};

// Parts of a loss, which add up.
struct LossSums {
  double loss = 0;
  double mean_kl = 0;        // of k3 over all tokens; 0 without references
  double clipped_share = 0;  // of tokens whose ratio the clip held back
};

// Adds one answer's part to `sums` and says its gradient by its tokens' logp.
void answer_loss(const PolicyObjective& objective, const Answer& answer, const LossShape& shape,
                 LossSums& sums, std::span<double> gradient);

struct PolicyLoss : LossSums {
  std::vector<std::vector<double>> gradient;  // d loss / d logp, of every answer's tokens
};

// The whole of a loss. At least one answer, none empty.
PolicyLoss policy_loss(const PolicyObjective& objective, std::span<const Answer> answers,
                       int64_t max_length);

// Soft penalty for answers that approach the limit (DAPO eq. 13): 0 up to max - buffer tokens, then
// falling to -1 at max; -1 above.
double overlong_penalty(int64_t length, int64_t max, int64_t buffer);

}  // namespace r1

// Checkpoints of a training run, such that nothing is lost (law 6): a folder step-N, in which each
// file is durable before manifest.json, with everybody's sizes and checksums, is written last, and
// which gets its name only then. A kill at any moment leaves whole checkpoints and leftovers that
// the next open() clears away. What is loaded is verified to the last bit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

// What a state holds beside tensors, by name: counters, seeds, the recipe's text.
using StateValue = std::variant<int64_t, double, std::string>;
using StateValues = std::map<std::string, StateValue>;

// What is saved, and what is loaded. Tensors are borrowed and named FILE/NAME, FILE of [a-z0-9_]:
// "model/blk.0.attn_q.weight" is blk.0.attn_q.weight of the checkpoint's model.safetensors, which
// any reader of safetensors can open.
struct SavedState {
  std::vector<TensorInfo> tensors;
  StateValues values;

  const TensorInfo* find(std::string_view name) const;
  // Error: it is not there, or has other elements than the `to.size()` F32 it is copied to.
  Result<void> copy(std::string_view name, std::span<float> to) const;
  // Error: it is not there, or of another type.
  Result<int64_t> integer(std::string_view name) const;
  Result<std::string> text(std::string_view name) const;
};
// A tensor of a state that borrows `values`.
TensorInfo state_tensor(std::string name, std::vector<int64_t> shape,
                        std::span<const float> values);
TensorInfo state_tensor(std::string name, std::span<const int32_t> values);

struct CheckpointEntry {
  int64_t step = 0;
  std::optional<double> score;  // higher is better; not every checkpoint was evaluated
  std::string path;             // its folder
};

struct LoadedCheckpoint {
  CheckpointEntry entry;
  SavedState state;  // tensors live in `files`
  std::vector<std::shared_ptr<const MappedFile>> files;
};

// One checkpoint, every bit of it verified. Errors say what is missing or damaged.
Result<LoadedCheckpoint> load_checkpoint(const std::string& folder);

// Of a run's folder, in order of steps, unverified; also while the run goes on.
Result<std::vector<CheckpointEntry>> list_checkpoints(const std::string& folder);

class CheckpointStore {
 public:
  struct Policy {
    int64_t last = 2;  // the newest so many are kept, at least 1
    int64_t best = 1;  // and of those with a score the best so many; the later of equals
  };
  // What is told while going on: a checkpoint that is damaged, and why.
  using Warn = std::function<void(const std::string&)>;

  // Makes the folder where there is none, takes it for this process alone (error: another has it),
  // and removes what killed saves left behind.
  static Result<CheckpointStore> open(const std::string& folder, const Policy& policy, Warn warn);

  // Durable when it returns; then prunes by the policy. An error (a full disk) leaves the others as
  // they were. A checkpoint of the same step is replaced.
  Result<void> save(int64_t step, std::optional<double> score, const SavedState& state);

  // The newest that is whole; none where there is none. A damaged one is told to `warn`, renamed to
  // step-N.damaged, and the one before it is tried. Error: all that there were are damaged.
  Result<std::optional<LoadedCheckpoint>> load_newest();

 private:
  CheckpointStore(std::string folder, const Policy& policy, Warn warn,
                  std::shared_ptr<const int> lock)
      : folder_(std::move(folder)),
        policy_(policy),
        warn_(std::move(warn)),
        lock_(std::move(lock)) {}
  Result<void> prune();

  std::string folder_;
  Policy policy_;
  Warn warn_;
  std::shared_ptr<const int> lock_;  // the descriptor that holds the folder
};

}  // namespace r1

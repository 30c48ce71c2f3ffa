// A run's settings: one TOML file, one struct per section, one table of keys (recipe_keys) that
// serves parsing, `--set`, the resolved recipe in the run's folder and the key list of
// docs/train.md. A key is a field of its section's struct and a line in that table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "train/traces.h"

namespace r1 {

enum class TrainKind : uint8_t { kPretrain, kSft, kGrpo };
std::string_view name(TrainKind kind);  // "pretrain", "sft", "grpo"
std::optional<TrainKind> find_train_kind(std::string_view name);

struct RunRecipe {
  std::string out;    // the run's folder
  int64_t steps = 0;  // in all; 0: until minutes
  double minutes = 0;
  int64_t seed = 1;
  int64_t threads = 0;
};

struct ModelRecipe {
  std::string path;    // a checkpoint to start from
  std::string config;  // or a folder with config.json and tokenizer, whose weights are drawn
  double init_std = 0.02;
  int64_t init_seed = 0;
  std::string precision = "f32";
  bool recompute = false;
};

struct LoraRecipe {
  int64_t rank = 0;  // 0: every weight learns
  double alpha = 16;
  std::vector<std::string> match = {"q_proj",  "k_proj",    "v_proj",   "o_proj",
                                    "up_proj", "gate_proj", "down_proj"};
};

struct DataRecipe {
  std::vector<std::string> train, evaluate;  // JSONL files
  std::string generator;                     // or a named source of texts (train/traces.h)
  int64_t evaluate_examples = 64;
  std::string turns = "assistant";
  int64_t max_tokens = 2048;
  std::string too_long = "refuse";
  std::string prompt_field, answer_field;
  std::string chat_template;
  bool parse_special = false;
};

struct BatchRecipe {
  int64_t sequences = 32;
  int64_t tokens = 0;
  int64_t micro_tokens = 1024;
};

struct OptimizerGroup {
  std::vector<std::string> match;  // patterns of parameters' names: * and ?
  double lr = 1;                   // factor of the learning rate
  double weight_decay = -1;        // instead of optimizer.weight_decay; -1: as there
  bool frozen = false;
};

struct OptimizerRecipe {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, clip_norm = 1;
  double mtp_weight = 0, balance_rate = 0;
  double stop_norm = 0;                // a gradient norm above stops the run; 0: never
  std::vector<OptimizerGroup> groups;  // [[optimizer.group]]: the first that matches counts
};

struct ScheduleRecipe {
  std::string decay = "constant";
  int64_t warmup = 0;
  double floor = 0;
};

struct CheckpointRecipe {
  int64_t every = 0;
  double minutes = 10;
  int64_t keep_last = 2, keep_best = 1;
};

struct EvaluateRecipe {
  int64_t every = 0;
};

struct GrpoRecipe {
  std::vector<std::string> tasks = {"countdown3"};
  std::string instruction = "{}";
  std::vector<std::string> rewards = {"accuracy"};
  std::string language = "en";
  int64_t prompts = 32, group = 16, minibatches = 1, epochs = 1;
  std::string objective = "grpo";
  double clip_low = -1, clip_high = -1, kl = -1;
  int64_t reference_every = 0;
  int64_t resample_rounds = 0;
  int64_t max_tokens = 256;
  double temperature = 1;
  int64_t overlong_buffer = 0;
  double overlong_weight = 1;
  int64_t max_running = 128;
  int64_t evaluate_questions = 0, evaluate_samples = 16;
  int64_t samples = 2;
};

struct Recipe {
  TrainKind kind = TrainKind::kPretrain;
  RunRecipe run;
  ModelRecipe model;
  LoraRecipe lora;
  DataRecipe data;
  BatchRecipe batch;
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  CheckpointRecipe checkpoint;
  EvaluateRecipe evaluate;
  GrpoRecipe grpo;
  TraceMix traces;  // of data.generator = "puzzles"
};

// Where a key's value lives.
using RecipeField = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*>;

struct RecipeKey {
  std::string_view name;  // "optimizer.lr"; "optimizer.group.lr" of the last group
  RecipeField (*field)(Recipe& recipe);
  std::string_view doc;           // one line
  double min = 0, max = 1e18;     // of numbers
  std::string_view choices = "";  // of strings: "constant|linear|cosine"; "": any
  bool may_change = false;        // when a run goes on
};
std::span<const RecipeKey> recipe_keys();

// `text` is the TOML of a file called `name` in errors. A section under a kind's name counts for
// that kind alone and wins: [pretrain.optimizer]. `overrides` are "section.key=value", applied in
// order afterwards. Errors: syntax with its line, an unknown key with the nearest known one, a
// value with what would work, settings that contradict each other.
Result<Recipe> parse_recipe(std::string_view text, std::string_view name, TrainKind kind,
                            std::span<const std::string> overrides = {});

// Every key with its value, as TOML that parses to the same recipe.
std::string to_toml(const Recipe& recipe);

// An error that names the first key by which a run that was begun with `then` may not go on.
Result<void> check_same_run(const Recipe& then, const Recipe& now);

// The key list of docs/train.md, as Markdown tables, one per section.
std::string recipe_keys_markdown();

}  // namespace r1

// From a recipe to what it names: the model that learns with its tokenizer and template, the
// learner's settings, the data. What several kinds of training share.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/pattern.h"
#include "format/weight_file.h"
#include "model/model.h"
#include "tensor/context.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/dataset.h"
#include "train/learner.h"
#include "train/recipe.h"

namespace r1 {

struct TrainedModel {
  std::unique_ptr<Context> ctx;
  std::optional<WeightFile> file;  // the checkpoint, or the config.json
  std::unique_ptr<Model> model;    // loaded with LoadOptions::learn or ::lora
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
};
Result<TrainedModel> open_model(const Recipe& recipe);

LoraOptions lora_options(const Recipe& recipe);
Learner::Options learner_options(const Recipe& recipe);

// What is learned, and what is evaluated: examples of data.evaluate, or held out of data.train (at
// most a tenth), or a generator's under another seed; null where there are none.
struct TrainingData {
  std::shared_ptr<const Dataset> train, held_out;
  int64_t n_held_out = 0;  // examples of an evaluation
};
Result<TrainingData> open_data(const Recipe& recipe, const TrainedModel& trained);

// Named sources of texts, for data.generator and `r1 data`, made as [traces] of the recipe says.
struct TextSource {
  std::string_view name;
  TextGenerator (*make)(const Recipe& recipe);
};
std::span<const TextSource> text_sources();

}  // namespace r1

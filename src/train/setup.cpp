#include "train/setup.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/file.h"
#include "base/pattern.h"
#include "format/hf_config.h"
#include "infer/vocab_spec.h"

namespace r1 {
namespace {

constexpr uint64_t kTemplateLimit = 1 << 20;  // bytes

Result<void> open_texts(const Recipe& recipe, TrainedModel& t) {
  R1_TRY(const bool texts, has_tokenizer(*t.file));
  if (!texts) return {};
  R1_TRY(t.tokenizer, load_tokenizer(*t.file));
  std::optional<std::string> source;
  if (!recipe.data.chat_template.empty()) {
    R1_TRY(source, read_file(recipe.data.chat_template, kTemplateLimit));
  } else {
    R1_TRY(source, chat_template_source(*t.file));
  }
  if (!source) return {};
  R1_TRY(t.chat_template, ChatTemplate::parse(*source));
  return {};
}

TooLong too_long(const Recipe& r) {
  if (r.data.too_long == "drop") return TooLong::kDrop;
  if (r.data.too_long == "cut") return TooLong::kCut;
  return r.data.too_long == "window" ? TooLong::kWindow : TooLong::kRefuse;
}

Turns turns(const Recipe& r) {
  if (r.kind == TrainKind::kPretrain || r.data.turns == "all") return Turns::kAll;
  return r.data.turns == "last" ? Turns::kLast : Turns::kAssistant;
}

constexpr TextSource kSources[] = {
    {"puzzles",
     [](const Recipe& recipe) -> TextGenerator {
       return [traces = std::make_shared<const Traces>(recipe.traces)](uint64_t seed, uint64_t i) {
         return traces->text(seed, i);
       };
     }},
};

Result<TrainingData> generated_data(const Recipe& recipe, const DatasetOptions& options) {
  const auto source = std::ranges::find(kSources, recipe.data.generator, &TextSource::name);
  if (source == std::end(kSources)) {
    std::vector<std::string_view> names;
    for (const TextSource& s : kSources) names.push_back(s.name);
    return error("data.generator = \"{}\": not known; {} are", recipe.data.generator,
                 fmt::join(names, ", "));
  }
  if (!options.tokenizer) return error("data.generator: the model has no tokenizer");
  const uint64_t other_seed = options.seed ^ 0x68656c64;  // "held"
  const std::string name(source->name);
  TrainingData data;
  data.train = generated(name, options.seed, source->make(recipe), options);
  data.held_out = generated(name, other_seed, source->make(recipe), options);
  data.n_held_out = recipe.data.evaluate_examples;
  return data;
}

}  // namespace

std::span<const TextSource> text_sources() { return kSources; }

LoraOptions lora_options(const Recipe& recipe) {
  LoraOptions lora;
  lora.rank = recipe.lora.rank;
  lora.alpha = recipe.lora.alpha;
  lora.match = recipe.lora.match;
  lora.seed = static_cast<uint64_t>(recipe.run.seed);
  return lora;
}

Result<TrainedModel> open_model(const Recipe& recipe) {
  TrainedModel t;
  R1_TRY(t.ctx, Context::create(static_cast<int>(recipe.run.threads)));
  LoadOptions options;
  options.learn = recipe.model.precision == "bf16" ? DType::kBF16 : DType::kF32;
  if (recipe.lora.rank > 0) {
    if (recipe.model.path.empty()) return error("lora.rank: needs model.path, a model to update");
    options.lora = lora_options(recipe);
    options.compute = recipe.model.precision == "bf16" ? Compute::kFast : Compute::kF32;
    options.learn.reset();
  }
  // All keys computed anew cost fewer products in the plain form; kept ones are read for every
  // token drawn, and the absorbed form keeps a fraction of their bytes.
  options.mla = recipe.kind == TrainKind::kGrpo ? MlaForm::kAbsorbed : MlaForm::kPlain;
  // Where there is such a layer, it is saved with the rest; low-rank updates are of what learns.
  options.mtp = recipe.lora.rank == 0 || recipe.optimizer.mtp_weight > 0;
  if (recipe.model.path.empty()) {
    options.draw = {.std = recipe.model.init_std,
                    .seed = static_cast<uint64_t>(recipe.model.init_seed)};
    R1_TRY(t.file, WeightFile::open(recipe.model.config + "/config.json"));
  } else {
    R1_TRY(t.file, WeightFile::open(recipe.model.path));
  }
  R1_TRY(t.model, Model::load(*t.file, options, *t.ctx));
  R1_DO(open_texts(recipe, t));
  return t;
}

Learner::Options learner_options(const Recipe& recipe) {
  const OptimizerRecipe& o = recipe.optimizer;
  Learner::Options options;
  options.adamw = {
      .lr = o.lr, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .weight_decay = o.weight_decay};
  options.schedule = {.decay = recipe.schedule.decay == "cosine"   ? Decay::kCosine
                               : recipe.schedule.decay == "linear" ? Decay::kLinear
                                                                   : Decay::kConstant,
                      .warmup = recipe.schedule.warmup,
                      .total = recipe.run.steps,
                      .floor = recipe.schedule.floor};
  options.clip_norm = o.clip_norm;
  options.mtp_weight = o.mtp_weight;
  options.balance_rate = o.balance_rate;
  options.stop_norm = o.stop_norm;
  options.micro_batch = recipe.batch.micro_tokens;
  options.recompute = recipe.model.recompute;
  options.tuning = [groups = o.groups](const ModelParameter& p) {
    for (const OptimizerGroup& g : groups) {
      const auto fits_name = [&](const std::string& pattern) { return fits(pattern, p.name); };
      if (!std::ranges::any_of(g.match, fits_name)) continue;
      Tuning tuning{.lr = g.lr, .frozen = g.frozen};
      if (g.weight_decay >= 0) tuning.weight_decay = g.weight_decay;
      return tuning;
    }
    return Tuning{};
  };
  return options;
}

Result<TrainingData> open_data(const Recipe& recipe, const TrainedModel& trained) {
  const auto seed = static_cast<uint64_t>(recipe.run.seed);
  const DatasetOptions options{
      .tokenizer = trained.tokenizer ? &*trained.tokenizer : nullptr,
      .chat_template = trained.chat_template ? &*trained.chat_template : nullptr,
      .turns = turns(recipe),
      .prompt_field = recipe.data.prompt_field,
      .answer_field = recipe.data.answer_field,
      .max_tokens = recipe.data.max_tokens,
      .too_long = too_long(recipe),
      .parse_special = recipe.data.parse_special,
      .vocab_size = trained.model->config().vocab_size,
      .seed = seed};
  if (!recipe.data.generator.empty()) return generated_data(recipe, options);
  TrainingData data;
  R1_TRY(std::shared_ptr<const Dataset> all, open_jsonl(recipe.data.train, options));
  data.n_held_out = recipe.data.evaluate_examples;
  if (!recipe.data.evaluate.empty()) {
    data.train = std::move(all);
    R1_TRY(data.held_out, open_jsonl(recipe.data.evaluate, options));
    data.n_held_out = std::min(data.n_held_out, data.held_out->size());
    return data;
  }
  data.n_held_out = std::min(data.n_held_out, all->size() / 10);
  data.held_out = part(all, seed, 0, data.n_held_out);
  data.train = part(all, seed, data.n_held_out, all->size() - data.n_held_out);
  return data;
}

}  // namespace r1

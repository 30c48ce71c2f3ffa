#include "format/hf_config.h"

#include <map>

#include "format/json_events.h"
#include "format/names.h"

namespace r1 {
namespace {

template <class T>
std::optional<std::vector<T>> all_of_type(const std::vector<MetaValue>& items) {
  std::vector<T> values;
  for (const MetaValue& item : items) {
    if (!std::holds_alternative<T>(item)) return std::nullopt;
    values.push_back(std::get<T>(item));
  }
  return values;
}

// Integers among fractions count as fractions.
std::optional<std::vector<double>> all_numbers(const std::vector<MetaValue>& items) {
  std::vector<double> values;
  for (const MetaValue& item : items) {
    if (const auto* i = std::get_if<int64_t>(&item))
      values.push_back(static_cast<double>(*i));
    else if (const auto* d = std::get_if<double>(&item))
      values.push_back(*d);
    else
      return std::nullopt;
  }
  return values;
}

std::shared_ptr<const MetaArray> make_array(std::vector<MetaValue> items) {
  const auto share = [](auto values) {
    return std::make_shared<const MetaArray>(MetaArray{std::move(values)});
  };
  if (items.empty()) return share(std::move(items));
  if (auto values = all_of_type<bool>(items)) return share(*std::move(values));
  if (auto values = all_of_type<int64_t>(items)) return share(*std::move(values));
  if (auto values = all_numbers(items)) return share(*std::move(values));
  if (auto values = all_of_type<std::string>(items)) {
    // The array's views need an owner: the texts live beside it, under one count.
    struct Owning {
      std::vector<std::string> texts;
      MetaArray array;
    };
    auto owning = std::make_shared<Owning>();
    owning->texts = *std::move(values);
    owning->array.items = std::vector<std::string_view>(owning->texts.begin(), owning->texts.end());
    return {owning, &owning->array};
  }
  return share(std::move(items));
}

MetaValue to_meta(JsonScalar scalar) {
  return std::visit(
      [](auto&& value) -> MetaValue {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
          return std::string();
        else
          return std::move(value);
      },
      std::move(scalar));
}

class Flattener : public JsonVisitor {
 public:
  explicit Flattener(std::string_view prefix) : prefix_(prefix) {}
  Metadata metadata;

  Result<void> begin_object() override {
    frames_.push_back({false, frames_.empty() ? prefix_ : path() + ".", 0, {}});
    return {};
  }

  Result<void> key(std::string& name) override {
    key_ = frames_.back().base + name;
    return check_name("key", key_, kJsonKeyLimit);
  }

  Result<void> end_object() override {
    frames_.pop_back();
    if (!frames_.empty()) ++frames_.back().count;
    return {};
  }

  Result<void> begin_array() override {
    if (frames_.empty()) return error("an array where an object is expected");
    frames_.push_back({true, path(), 0, {}});
    return {};
  }

  Result<void> end_array() override {
    Frame array = std::move(frames_.back());
    frames_.pop_back();
    const bool only_objects = array.items.empty() && array.count > 0;
    if (only_objects) return ++frames_.back().count, Result<void>();
    return add(array.base, make_array(std::move(array.items)));
  }

  Result<void> scalar(JsonScalar value) override {
    if (frames_.empty()) return error("a bare value where an object is expected");
    if (value.index() == 0 && !frames_.back().array) return {};
    return add(key_, to_meta(std::move(value)));
  }

 private:
  struct Frame {
    bool array;
    std::string base;  // of an object: what its keys are appended to; of an array: its own key
    size_t count;      // members seen
    std::vector<MetaValue> items;
  };

  // Of the value that comes next.
  std::string path() const {
    const Frame& top = frames_.back();
    return top.array ? fmt::format("{}.{}", top.base, top.count) : key_;
  }

  Result<void> add(const std::string& key, MetaValue value) {
    if (++values_ > kJsonValuesLimit) return error("more than {} values", kJsonValuesLimit);
    Frame& top = frames_.back();
    ++top.count;
    if (top.array)
      top.items.push_back(std::move(value));
    else
      metadata.emplace_back(key, std::move(value));
    return {};
  }

  std::string prefix_, key_;
  std::vector<Frame> frames_;
  size_t values_ = 0;
};

// Today's spelling of a config key written in another.
std::string normal_key(std::string_view key) {
  constexpr std::string_view kParameters = "rope_parameters.";
  if (key == "torch_dtype") return "dtype";
  if (key == "rope_parameters.rope_theta") return "rope_theta";
  if (key.starts_with(kParameters))
    return normal_key(fmt::format("rope_scaling.{}", key.substr(kParameters.size())));
  if (key == "rope_scaling.type") return "rope_scaling.rope_type";
  return std::string(key);
}

bool same(const MetaValue& a, const MetaValue& b) {
  const auto number = [](const MetaValue& v) -> std::optional<double> {
    if (const auto* i = std::get_if<int64_t>(&v)) return static_cast<double>(*i);
    if (const auto* d = std::get_if<double>(&v)) return *d;
    return std::nullopt;
  };
  return number(a) && number(b) ? number(a) == number(b) : a == b;
}

Result<std::optional<std::string>> choose(std::map<std::string, std::string> named) {
  if (named.empty()) return std::optional<std::string>();
  if (named.size() == 1) return std::optional(std::move(named.begin()->second));
  if (const auto it = named.find("default"); it != named.end())
    return std::optional(std::move(it->second));
  std::string names;
  for (const auto& [name, source] : named) names += " " + visible(name);
  return error("chat template: none of the named ones is \"default\"; there are{}", names);
}

Result<std::optional<std::string>> gguf_template(const WeightFile& file) {
  R1_TRY(auto single, file.text("tokenizer.chat_template"));
  if (single) return single;
  const MetaValue* value = file.meta("tokenizer.chat_templates");
  const auto* array = value ? std::get_if<std::shared_ptr<const MetaArray>>(value) : nullptr;
  const auto* names =
      array ? std::get_if<std::vector<std::string_view>>(&(*array)->items) : nullptr;
  if (!names) return std::optional<std::string>();
  std::map<std::string, std::string> named;
  for (const std::string_view name : *names) {
    R1_TRY(auto source, file.text(fmt::format("tokenizer.chat_template.{}", name)));
    if (source) named.emplace(name, *std::move(source));
  }
  return choose(std::move(named));
}

Result<std::optional<std::string>> folder_template(const WeightFile& file) {
  R1_TRY(auto jinja, file.side_file("chat_template.jinja", kJsonFileLimit));
  if (!jinja.empty()) return std::optional(std::move(jinja));
  R1_TRY(const auto json, file.side_file("chat_template.json", kJsonFileLimit));
  if (!json.empty()) {
    auto metadata = flatten_json(json);
    if (!metadata) return std::move(metadata).error().in("chat_template.json");
    for (auto& [key, value] : *metadata) {
      auto* source = std::get_if<std::string>(&value);
      if (key == "chat_template" && source) return std::optional(std::move(*source));
    }
  }
  constexpr const char* kKey = "tokenizer_config.chat_template";
  if (file.meta(kKey)) return file.text(kKey);
  std::map<std::string, std::string> named;
  for (size_t i = 0;; ++i) {
    R1_TRY(auto name, file.text(fmt::format("{}.{}.name", kKey, i)));
    R1_TRY(auto source, file.text(fmt::format("{}.{}.template", kKey, i)));
    if (!name || !source) return choose(std::move(named));
    named.emplace(*std::move(name), *std::move(source));
  }
}

}  // namespace

Result<Metadata> flatten_json(std::string_view json, std::string_view prefix) {
  Flattener flattener(prefix);
  R1_DO(visit_json(json, flattener));
  return std::move(flattener.metadata);
}

Result<Metadata> parse_config(std::string_view json) {
  R1_TRY(auto written, flatten_json(json));
  Metadata config;
  std::map<std::string, size_t> renamed;  // where a key whose spelling varies stands
  for (auto& [key, value] : written) {
    std::string normal = normal_key(key);
    const bool varies = normal != key || normal == "dtype" || normal.starts_with("rope_");
    if (!varies) {
      config.emplace_back(std::move(normal), std::move(value));
      continue;
    }
    const auto [it, first] = renamed.emplace(normal, config.size());
    if (first)
      config.emplace_back(std::move(normal), std::move(value));
    else if (!same(config[it->second].second, value))
      return error("{} and another spelling of {} disagree", key, normal);
  }
  return config;
}

Result<std::optional<std::string>> chat_template_source(const WeightFile& file) {
  return file.container() == Container::kGguf ? gguf_template(file) : folder_template(file);
}

}  // namespace r1

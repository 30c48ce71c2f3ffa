#include "train/recipe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "base/nearest.h"
#include "base/toml.h"
#include "text/unicode.h"

namespace r1 {
namespace {

constexpr std::string_view kKindNames[] = {"pretrain", "sft", "grpo"};
constexpr std::string_view kGroups = "optimizer.group";  // the one array of tables

const RecipeKey* find_key(std::string_view name) {
  const auto found = std::ranges::find(recipe_keys(), name, &RecipeKey::name);
  return found == recipe_keys().end() ? nullptr : &*found;
}

Error unknown_key(std::string_view name) {
  std::vector<std::string> names;
  for (const RecipeKey& key : recipe_keys()) names.emplace_back(key.name);
  std::string meant = nearest(name, names);
  if (meant.empty()) {  // the right key of the wrong section
    const std::string_view last = name.substr(name.rfind('.') + 1);
    for (const RecipeKey& key : recipe_keys()) {
      if (meant.empty() && key.name.substr(key.name.rfind('.') + 1) == last) meant = key.name;
    }
  }
  if (!meant.empty()) return error("{}: no such key; did you mean {}?", name, meant);
  return error("{}: no such key; docs/train.md lists them", name);
}

std::string number_range(const RecipeKey& key) {
  if (key.max >= 1e15) return fmt::format("at least {}", key.min);
  return fmt::format("{} ... {}", key.min, key.max);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(at)) != text.npos; text.remove_prefix(end + 1)) {
    parts.push_back(text.substr(0, end));
  }
  parts.push_back(text);
  return parts;
}

// What a key may be, after "must be".
std::string range(const RecipeKey& key, const RecipeField& field) {
  if (std::holds_alternative<bool*>(field)) return "true or false";
  if (std::holds_alternative<int64_t*>(field)) return "a whole number, " + number_range(key);
  if (std::holds_alternative<double*>(field)) return "a number, " + number_range(key);
  if (std::holds_alternative<std::string*>(field)) {
    if (key.choices.empty()) return "a text";
    return fmt::format("one of {}", fmt::join(split(key.choices, '|'), ", "));
  }
  return "a list of texts";
}

template <class T>
std::optional<T> value_of(const toml::node& node, const RecipeKey& key) {
  const std::optional<T> value = node.value_exact<T>();
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    const auto x = static_cast<double>(value.value_or(0));
    if (!std::isfinite(x) || x < key.min || x > key.max) return std::nullopt;
  }
  return value;
}

bool chosen(const RecipeKey& key, std::string_view value) {
  const auto choices = split(key.choices, '|');
  return key.choices.empty() || std::ranges::find(choices, value) != choices.end();
}

struct Assign {
  const toml::node& node;
  const RecipeKey& key;

  bool operator()(bool* field) const { return take(field, node.value_exact<bool>()); }
  bool operator()(int64_t* field) const { return take(field, value_of<int64_t>(node, key)); }
  bool operator()(double* field) const {
    if (!node.is_integer()) return take(field, value_of<double>(node, key));
    const auto whole = value_of<int64_t>(node, key);
    return whole && take(field, std::optional(static_cast<double>(*whole)));
  }
  bool operator()(std::string* field) const {
    const auto text = node.value_exact<std::string>();
    return text && chosen(key, *text) && take(field, text);
  }
  bool operator()(std::vector<std::string>* field) const {
    std::vector<std::string> texts;
    if (const auto one = node.value_exact<std::string>()) {
      texts = {*one};
    } else if (const toml::array* many = node.as_array()) {
      for (const toml::node& item : *many) {
        const auto text = item.value_exact<std::string>();
        if (!text) return false;
        texts.push_back(*text);
      }
    } else {
      return false;
    }
    *field = std::move(texts);
    return true;
  }

  template <class T>
  static bool take(T* field, std::optional<T> value) {
    if (value) *field = *std::move(value);
    return value.has_value();
  }
};

std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& n) { out << n; });
  std::string text = out.str();
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

Result<void> assign(Recipe& recipe, std::string_view name, const toml::node& node) {
  const RecipeKey* key = find_key(name);
  if (!key) return unknown_key(name);
  const RecipeField field = key->field(recipe);
  if (std::visit(Assign{node, *key}, field)) return {};
  return error("{} = {}: must be {}", name, shown(node), range(*key, field));
}

class Reader {
 public:
  Reader(Recipe& recipe, std::string_view file) : recipe_(recipe), file_(file) {}

  Result<void> read(const toml::table& table) {
    for (const auto& [name, node] : table) {
      if (!find_train_kind(name.str())) R1_DO(section(name.str(), node));
    }
    for (const auto& [name, node] : table) {
      const auto kind = find_train_kind(name.str());
      if (!kind) continue;
      if (!node.is_table()) return at(node, error("{}: must be a section", name.str()));
      R1_DO(of_kind(*kind, *node.as_table()));
    }
    return {};
  }

 private:
  Error at(const toml::node& node, Error e) const {
    return std::move(e).in(fmt::format("{}:{}", file_, node.source().begin.line));
  }

  // [sft.optimizer] is [optimizer] of sft alone; [grpo] has keys of its own beside.
  Result<void> of_kind(TrainKind kind, const toml::table& table) {
    Recipe ignored = recipe_;
    Reader other(ignored, file_);
    Reader& reader = kind == recipe_.kind ? *this : other;
    for (const auto& [name, node] : table) {
      const std::string own = fmt::format("{}.{}", r1::name(kind), name.str());
      if (find_key(own) || !node.is_table()) {
        if (auto done = assign(reader.recipe_, own, node); !done)
          return at(node, std::move(done).error());
      } else {
        R1_DO(reader.section(name.str(), node));
      }
    }
    return {};
  }

  Result<void> section(std::string_view name, const toml::node& node) {
    const toml::table* table = node.as_table();
    if (!table) return at(node, unknown_key(name));
    for (const auto& [key, value] : *table) {
      const std::string full = fmt::format("{}.{}", name, key.str());
      if (full == kGroups) {
        R1_DO(groups(value));
      } else if (auto done = assign(recipe_, full, value); !done) {
        return at(value, std::move(done).error());
      }
    }
    return {};
  }

  Result<void> groups(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return at(node, error("{}: write [[{}]]", kGroups, kGroups));
    recipe_.optimizer.groups.clear();
    for (const toml::node& item : *array) {
      if (!item.is_table()) return at(item, error("{}: write [[{}]]", kGroups, kGroups));
      recipe_.optimizer.groups.emplace_back();
      for (const auto& [key, value] : *item.as_table()) {
        if (auto done = assign(recipe_, fmt::format("{}.{}", kGroups, key.str()), value); !done)
          return at(value, std::move(done).error());
      }
    }
    return {};
  }

  Recipe& recipe_;
  std::string_view file_;
};

// "optimizer.group.1.lr": of the group with that number. Returns the key's name, and brings the
// group to the end, where the table's fields look, until it is called again.
Result<std::string> choose_group(Recipe& recipe, std::string_view name, size_t& number) {
  std::string_view rest = name.substr(kGroups.size() + 1);
  const size_t dot = rest.find('.');
  const std::string digits(rest.substr(0, dot));
  auto& groups = recipe.optimizer.groups;
  const bool numeric = !digits.empty() && digits.size() < 5 &&
                       std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (dot == rest.npos || !numeric)
    return error("{}: a group by its number, {}.0.lr", name, kGroups);
  number = static_cast<size_t>(std::stoi(digits));
  if (number > groups.size()) return error("{}: there are {} groups", name, groups.size());
  if (number == groups.size()) groups.emplace_back();
  std::swap(groups[number], groups.back());
  return fmt::format("{}{}", kGroups, rest.substr(dot));
}

// A value of the command line: TOML, or a bare text where a text is wanted.
Result<void> set(Recipe& recipe, std::string_view name, std::string_view text) {
  const RecipeKey* key = find_key(name);
  if (!key) return unknown_key(name);
  const RecipeField field = key->field(recipe);
  const bool is_text = std::holds_alternative<std::string*>(field);
  const bool is_list = std::holds_alternative<std::vector<std::string>*>(field);
  const auto parsed = parse_toml(fmt::format("value = {}", text), "");
  const toml::node* node = parsed ? parsed->get("value") : nullptr;
  const bool one = node && parsed->size() == 1;
  if ((is_text && !(one && node->is_string())) ||
      (is_list && !(one && (node->is_string() || node->is_array())))) {
    return assign(recipe, name, toml::value<std::string>(std::string(text)));
  }
  if (!one) return error("{} = {}: must be {}", name, text, range(*key, field));
  return assign(recipe, name, *node);
}

Result<void> override_key(Recipe& recipe, std::string_view setting) {
  if (!is_utf8(setting)) return error("must be UTF-8, like the recipe that a run keeps");
  const size_t equals = setting.find('=');
  if (equals == setting.npos) return error("write section.key=value");
  const std::string_view name = setting.substr(0, equals), value = setting.substr(equals + 1);
  if (!name.starts_with(fmt::format("{}.", kGroups))) return set(recipe, name, value);
  size_t number = 0;
  R1_TRY(const std::string key, choose_group(recipe, name, number));
  R1_DO(set(recipe, key, value));
  std::swap(recipe.optimizer.groups[number], recipe.optimizer.groups.back());
  return {};
}

Result<void> check(const Recipe& r) {
  if (r.run.steps == 0 && r.run.minutes == 0)
    return error("run.steps or run.minutes must say when it ends");
  if (r.model.path.empty() == r.model.config.empty())
    return error("one of model.path and model.config must say what learns");
  if (r.schedule.decay != "constant" && r.run.steps == 0)
    return error("schedule.decay = {}: needs run.steps to fall over", r.schedule.decay);
  for (const OptimizerGroup& group : r.optimizer.groups) {
    if (group.match.empty()) return error("{}.match: names no parameters", kGroups);
  }
  if (r.data.prompt_field.empty() != r.data.answer_field.empty())
    return error("data.prompt_field and data.answer_field: both or neither");
  if (r.kind == TrainKind::kGrpo) return {};
  if (r.data.train.empty() == r.data.generator.empty())
    return error("one of data.train and data.generator must say what is learned");
  return {};
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04X}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string to_text(const RecipeField& field) {
  if (const auto* b = std::get_if<bool*>(&field)) return **b ? "true" : "false";
  if (const auto* n = std::get_if<int64_t*>(&field)) return std::to_string(**n);
  if (const auto* x = std::get_if<double*>(&field)) return fmt::format("{}", **x);
  if (const auto* t = std::get_if<std::string*>(&field)) return in_quotes(**t);
  std::vector<std::string> texts;
  for (const std::string& t : *std::get<std::vector<std::string>*>(field))
    texts.push_back(in_quotes(t));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string_view section_of(const RecipeKey& key) {
  return key.name.substr(0, key.name.rfind('.'));
}
std::string_view last_of(const RecipeKey& key) { return key.name.substr(key.name.rfind('.') + 1); }
bool in_group(const RecipeKey& key) { return section_of(key) == kGroups; }

}  // namespace

std::string_view name(TrainKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<TrainKind> find_train_kind(std::string_view name) {
  const auto found = std::ranges::find(kKindNames, name);
  if (found == std::end(kKindNames)) return std::nullopt;
  return static_cast<TrainKind>(found - std::begin(kKindNames));
}

Result<Recipe> parse_recipe(std::string_view text, std::string_view name, TrainKind kind,
                            std::span<const std::string> overrides) {
  R1_TRY(const toml::table table, parse_toml(text, name));
  Recipe recipe;
  recipe.kind = kind;
  R1_DO(Reader(recipe, name).read(table));
  for (const std::string& setting : overrides) {
    if (auto done = override_key(recipe, setting); !done)
      return std::move(done).error().in(fmt::format("--set {}", setting));
  }
  if (recipe.run.out.empty()) {
    recipe.run.out = fmt::format("runs/{}", std::filesystem::path(name).stem().string());
  }
  if (auto checked = check(recipe); !checked) return std::move(checked).error().in(name);
  return recipe;
}

std::string to_toml(const Recipe& recipe) {
  Recipe r = recipe;
  std::string text, section;
  const auto line = [&](const RecipeKey& key) {
    text += fmt::format("{} = {}\n", last_of(key), to_text(key.field(r)));
  };
  for (const RecipeKey& key : recipe_keys()) {
    if (in_group(key)) continue;
    if (section != section_of(key)) {
      section = section_of(key);
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    }
    line(key);
  }
  r.optimizer.groups.clear();
  for (const OptimizerGroup& group : recipe.optimizer.groups) {
    r.optimizer.groups = {group};
    text += fmt::format("\n[[{}]]\n", kGroups);
    for (const RecipeKey& key : recipe_keys()) {
      if (in_group(key)) line(key);
    }
  }
  return text;
}

Result<void> check_same_run(const Recipe& then, const Recipe& now) {
  Recipe a = then, b = now;
  if (a.kind != b.kind) return error("the run was begun as {}, not {}", name(a.kind), name(b.kind));
  const auto refuse = [](const RecipeKey& key, const std::string& was, const std::string& is) {
    return error(
        "{} was {} when the run began and is {} now: choose another run.out, or go on as "
        "it was",
        key.name, was, is);
  };
  for (const RecipeKey& key : recipe_keys()) {
    if (in_group(key) || key.may_change) continue;
    const std::string was = to_text(key.field(a)), is = to_text(key.field(b));
    if (was != is) return refuse(key, was, is);
  }
  const auto &was = then.optimizer.groups, &is = now.optimizer.groups;
  if (was.size() != is.size())
    return error("{}: there were {} when the run began and are {} now", kGroups, was.size(),
                 is.size());
  for (size_t i = 0; i < was.size(); ++i) {
    a.optimizer.groups = {was[i]};
    b.optimizer.groups = {is[i]};
    for (const RecipeKey& key : recipe_keys()) {
      if (!in_group(key)) continue;
      const std::string old = to_text(key.field(a)), now_is = to_text(key.field(b));
      if (old != now_is) return refuse(key, old, now_is);
    }
  }
  return {};
}

std::string recipe_keys_markdown() {
  Recipe defaults;
  defaults.optimizer.groups.emplace_back();
  std::string text, section;
  for (const RecipeKey& key : recipe_keys()) {
    if (section != section_of(key)) {
      section = section_of(key);
      text += fmt::format(
          "\n### {}\n\n| key | default | what it may be | what it is |\n"
          "| --- | --- | --- | --- |\n",
          in_group(key) ? fmt::format("[[{}]]", section) : fmt::format("[{}]", section));
    }
    const RecipeField field = key.field(defaults);
    text += fmt::format("| `{}` | `{}` | {} | {} |\n", last_of(key), to_text(field),
                        range(key, field), key.doc);
  }
  return text;
}

}  // namespace r1

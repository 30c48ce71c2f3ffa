// JSON Schema, as far as OpenAI's structured outputs take it, as a grammar.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "infer/grammar/json.h"
#include "infer/grammar/regex.h"
#include "infer/grammar/schema.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;
using Sequence = GrammarBuilder::Sequence;

constexpr int64_t kMostUnits = 1'000'000'000'000'000;  // of a bounded number
constexpr int kMostDecimals = 9;
constexpr int64_t kMostStep = 1000;  // of multipleOf, in units

// What JSON Schema's formats are, as expressions.
#define R1_FOURTH "(0[48]|[2468][048]|[13579][26])"
#define R1_DATE                                                                   \
  "((000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-"                        \
  "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
  "02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}" R1_FOURTH "|" R1_FOURTH "00)-02-29)"
#define R1_TIME \
  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define R1_LABEL "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#define R1_OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
constexpr std::pair<const char*, const char*> kFormats[] = {
    {"date", R1_DATE},
    {"time", R1_TIME},
    {"date-time", R1_DATE "T" R1_TIME},
    {"duration",
     "P([0-9]{1,9}W|(([0-9]{1,9}Y)?([0-9]{1,9}M)?[0-9]{1,9}D|([0-9]{1,9}Y)?[0-9]{1,9}M|[0-9]{1,9}Y)"
     "(T([0-9]{1,9}H)?([0-9]{1,9}M)?[0-9]{1,9}S)?|T([0-9]{1,9}H)?([0-9]{1,9}M)?[0-9]{1,9}S)"},
    {"email", "[A-Za-z0-9_%+-]+(\\.[A-Za-z0-9_%+-]+)*@" R1_LABEL "(\\." R1_LABEL ")+"},
    {"hostname", R1_LABEL "(\\." R1_LABEL ")*"},
    {"ipv4", R1_OCTET "(\\." R1_OCTET "){3}"},
    {"ipv6", "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"},
    {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"},
};
#undef R1_FOURTH
#undef R1_DATE
#undef R1_TIME
#undef R1_LABEL
#undef R1_OCTET

class Compiler {
 public:
  Compiler(const Json& root, GrammarBuilder& builder, JsonGrammar& json)
      : root_(root), schemas_(root), builder_(builder), json_(json) {}

  Result<Sequence> compile() { return schema(root_, "#", 0); }

 private:
  static Error wrong(const std::string& place, std::string what) {
    return Schemas::wrong(place, std::move(what));
  }
  static std::string excerpt(const Json& json) { return Schemas::excerpt(json); }

  Result<Sequence> schema(const Json& s, const std::string& place, int depth) {
    if (depth > Schemas::kDeepest)
      return wrong(place, fmt::format("is nested deeper than {}", Schemas::kDeepest));
    if (s == true) return json_.value();
    if (s == false) return builder_.any_of({});
    if (!s.is_object()) return wrong(place, "an object is wanted, found " + excerpt(s));
    bool combines = false, alone = true;
    for (const auto& item : s.items()) {
      if (Schemas::remarks(item.key()) || item.key() == "discriminator") continue;
      alone = alone && !combines && Schemas::combines(item.key());
      combines = combines || Schemas::combines(item.key());
    }
    if (!combines) return plain(s, place, depth);
    if (alone && s.contains("$ref")) return reference(s["$ref"], place);
    std::vector<Sequence> any;
    if (alone && s.contains("anyOf") && s["anyOf"].is_array() && !s["anyOf"].empty()) {
      for (size_t i = 0; i < s["anyOf"].size(); ++i) {
        R1_TRY(any.emplace_back(),
               schema(s["anyOf"][i], fmt::format("{}/anyOf/{}", place, i), depth + 1));
      }
      return builder_.any_of(std::move(any));
    }
    R1_TRY(const auto ways, schemas_.ways(s, place));
    if (ways.empty()) return wrong(place, "no value keeps to all that stands in it");
    for (const Json& way : ways) {
      R1_TRY(any.emplace_back(), brought_together(way, place, depth));
    }
    return builder_.any_of(std::move(any));
  }

  // Written once, so that what comes back to itself ends.
  Result<Sequence> brought_together(const Json& s, const std::string& place, int depth) {
    const auto [known, fresh] =
        brought_together_.try_emplace(s.dump(-1, ' ', false, Json::error_handler_t::replace), 0);
    if (!fresh) return GrammarBuilder::reference(known->second);
    const int32_t rule = known->second = builder_.declare(place);
    R1_TRY(Sequence all, plain(s, place, depth + 1));
    builder_.define(rule, {std::move(all)});
    return GrammarBuilder::reference(rule);
  }

  // One without keywords that combine.
  Result<Sequence> plain(const Json& s, const std::string& place, int depth) {
    R1_TRY(const std::vector<std::string> types, Schemas::types(s, place));
    if (s.contains("enum") || s.contains("const")) return values(s, place);
    std::vector<Sequence> ways;
    for (const std::string& type : types) {
      R1_TRY(Sequence way, of_type(s, type, place, depth));
      ways.push_back(std::move(way));
    }
    if (types.empty()) {
      R1_DO(only(s, place, {}));
      return json_.value();
    }
    std::set<std::string_view> known = {"type"};
    for (const std::string& type : types)
      for (const std::string_view name : Schemas::keywords(type)) known.insert(name);
    R1_DO(only(s, place, known));
    return builder_.any_of(std::move(ways));
  }

  // Law 7: what restricts and is not understood is not passed over.
  static Result<void> only(const Json& s, const std::string& place,
                           const std::set<std::string_view>& known) {
    for (const auto& [name, value] : s.items()) {
      if (Schemas::remarks(name) || known.contains(name) || name == "discriminator") continue;
      return wrong(
          place,
          fmt::format("{} is not understood{}", excerpt(name),
                      known.empty() ? "" : fmt::format(" beside {}", fmt::join(known, ", "))));
    }
    return {};
  }

  Result<Sequence> values(const Json& s, const std::string& place) {
    std::set<std::string_view> known = {"type", "enum", "const"};
    for (const char* type : Schemas::kTypes)
      for (const std::string_view name : Schemas::keywords(type)) known.insert(name);
    R1_DO(only(s, place, known));
    const Json list = s.contains("const") ? Json::array({s["const"]}) : s["enum"];
    if (!list.is_array() || list.empty()) return wrong(place, "enum: a list of values is wanted");
    std::vector<Sequence> ways;
    for (const Json& value : list) {
      const auto fits = schemas_.admits(s, value);
      if (!fits)
        return wrong(place, fmt::format("it cannot be told whether {} of enum keeps to all that "
                                        "stands beside it",
                                        excerpt(value)));
      if (*fits)
        ways.push_back(
            GrammarBuilder::literal(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    if (ways.empty()) return wrong(place, "no value of enum keeps to what stands beside it");
    return builder_.any_of(std::move(ways));
  }

  Result<Sequence> reference(const Json& to, const std::string& place) {
    R1_TRY(const Json* found, schemas_.target(to, place));
    const std::string where = to.get<std::string>();
    const auto known = references_.find(where);
    if (known != references_.end()) return GrammarBuilder::reference(known->second);
    const int32_t rule = builder_.declare(where);
    references_[where] = rule;
    // Each place is compiled once, so that chains of references end; their length is bounded here.
    if (++following_ > Schemas::kDeepest) return wrong(place, "references lead on and on");
    R1_TRY(Sequence all, schema(*found, where, 0));
    --following_;
    builder_.define(rule, {std::move(all)});
    return GrammarBuilder::reference(rule);
  }

  Result<Sequence> of_type(const Json& s, const std::string& type, const std::string& place,
                           int depth) {
    if (type == "object") return object(s, place, depth);
    if (type == "array") return array(s, place, depth);
    if (type == "string") return string(s, place);
    if (type == "boolean")
      return builder_.any_of({GrammarBuilder::literal("true"), GrammarBuilder::literal("false")});
    if (type == "null") return GrammarBuilder::literal("null");
    return number(s, type == "integer", place);
  }

  // Closed, which every schema allows that does not demand more; one without properties is a map.
  Result<Sequence> object(const Json& s, const std::string& place, int depth) {
    static const Json kNone = Json::object(), kNobody = Json::array(), kAnything = true;
    const Json& properties = s.contains("properties") ? s["properties"] : kNone;
    const Json& required = s.contains("required") ? s["required"] : kNobody;
    if (!properties.is_object()) return wrong(place, "properties: an object is wanted");
    if (!required.is_array()) return wrong(place, "required: a list of names is wanted");
    const auto more = s.find("additionalProperties");
    std::vector<std::pair<std::string, const Json*>> all;
    for (const auto& [name, value] : properties.items()) all.emplace_back(name, &value);
    std::set<std::string> wanted;
    for (const Json& name : required) {
      if (!name.is_string())
        return wrong(place, fmt::format("required {}: a name is wanted", excerpt(name)));
      const bool fresh = wanted.insert(name.get<std::string>()).second;
      if (!fresh || properties.contains(name.get_ref<const std::string&>())) continue;
      if (more != s.end() && *more == false)
        return wrong(place, fmt::format("required {} is none of its properties", excerpt(name)));
      all.emplace_back(name.get<std::string>(), more == s.end() ? &kAnything : &*more);
    }
    if (all.empty()) {
      if (more == s.end() || *more == true) return json_.object();
      if (*more == false) return json_.list('{', {}, {}, '}', 0, 0);
      R1_TRY(const Sequence value, schema(*more, place + "/additionalProperties", depth + 1));
      return json_.list('{', {}, json_.pair(json_.string(), value), '}', 0, -1);
    }
    if (more != s.end() && !more->is_boolean() && !more->is_object())
      return wrong(place, "additionalProperties: true, false or a schema is wanted");
    // From the last property to the first: what may follow where none has been said, and where one
    // has.
    Sequence first, later;
    const Sequence comma =
        GrammarBuilder::join({json_.space(), GrammarBuilder::literal(","), json_.space()});
    for (size_t i = all.size(); i-- > 0;) {
      const auto& [name, value] = all[i];
      const std::string key = Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
      R1_TRY(const Sequence said, schema(*value, place + "/properties/" + name, depth + 1));
      const Sequence pair = one_rule(json_.pair(GrammarBuilder::literal(key), said));
      std::vector<Sequence> as_first = {GrammarBuilder::join({pair, later})};
      std::vector<Sequence> as_later = {GrammarBuilder::join({comma, pair, later})};
      if (!wanted.contains(name)) {
        as_first.push_back(first);
        as_later.push_back(later);
      }
      first = one_rule(builder_.any_of(std::move(as_first)));
      later = one_rule(builder_.any_of(std::move(as_later)));
    }
    return GrammarBuilder::join({GrammarBuilder::literal("{"), json_.space(), first, json_.space(),
                                 GrammarBuilder::literal("}")});
  }

  // Used more than once, written once.
  Sequence one_rule(Sequence s) {
    if (s.size() == 1) return s;
    const int32_t rule = builder_.declare();
    builder_.define(rule, {std::move(s)});
    return GrammarBuilder::reference(rule);
  }

  Result<std::optional<int>> count(const Json& s, const char* name,
                                   const std::string& place) const {
    const auto given = s.find(name);
    if (given == s.end()) return std::optional<int>();
    const bool fits =
        given->is_number_integer() && *given >= 0 && *given <= GrammarBuilder::kMostRepeats;
    if (!fits)
      return wrong(place, fmt::format("{} is {}: it must be from 0 to {}", name, excerpt(*given),
                                      GrammarBuilder::kMostRepeats));
    return std::optional<int>(given->get<int>());
  }

  Result<std::pair<int, int>> counts(const Json& s, const char* low, const char* high,
                                     const std::string& place) const {
    R1_TRY(const auto least, count(s, low, place));
    R1_TRY(const auto most, count(s, high, place));
    if (least && most && *least > *most)
      return wrong(place, fmt::format("{} is {}, above {} {}", low, *least, high, *most));
    return std::pair(least.value_or(0), most.value_or(-1));
  }

  Result<Sequence> array(const Json& s, const std::string& place, int depth) {
    R1_TRY(auto size, counts(s, "minItems", "maxItems", place));
    std::vector<Sequence> first;
    if (s.contains("prefixItems")) {
      const Json& list = s["prefixItems"];
      if (!list.is_array()) return wrong(place, "prefixItems: a list is wanted");
      if (list.size() > size_t{GrammarBuilder::kMostRepeats})
        return wrong(place, fmt::format("prefixItems has {} schemas: at most {} are understood",
                                        list.size(), GrammarBuilder::kMostRepeats));
      for (const Json& one : list) {
        const std::string where = fmt::format("{}/prefixItems/{}", place, first.size());
        R1_TRY(first.emplace_back(), schema(one, where, depth + 1));
      }
    }
    Sequence item = json_.value();
    if (s.contains("items")) {
      if (s["items"].is_array())
        return wrong(place, "items: one schema for all of them is wanted; a list is prefixItems");
      R1_TRY(item, schema(s["items"], place + "/items", depth + 1));
    }
    const auto n = static_cast<int>(first.size());
    if (s.contains("items") && s["items"] == false) {
      if (size.first > n)
        return wrong(place, fmt::format("minItems is {}, and there are {} prefixItems and no other",
                                        size.first, n));
      if (size.second < 0 || size.second > n) size.second = n;
    }
    return json_.list('[', first, one_rule(item), ']', size.first, size.second);
  }

  Result<Sequence> string(const Json& s, const std::string& place) {
    R1_TRY(const auto size, counts(s, "minLength", "maxLength", place));
    const bool sized = s.contains("minLength") || s.contains("maxLength");
    const auto pattern = s.find("pattern"), format = s.find("format");
    if (sized + (pattern != s.end()) + (format != s.end()) > 1)
      return wrong(place, "only one of pattern, format and a length is understood at once");
    const auto spell = [this](const CharSet& set) { return json_.character(set); };
    const Sequence quote = GrammarBuilder::literal("\"");
    if (sized) {
      const Sequence any = json_.character({{0, CharSet::kLast}});
      return GrammarBuilder::join({quote, builder_.repeat(any, size.first, size.second), quote});
    }
    if (pattern == s.end() && format == s.end()) return json_.string();
    std::string expression;
    if (pattern != s.end()) {
      if (!pattern->is_string()) return wrong(place, "pattern: a string is wanted");
      expression = pattern->get<std::string>();
    } else {
      std::vector<const char*> names;
      for (const auto& [name, what] : kFormats) {
        names.push_back(name);
        if (*format == name) expression = what;
      }
      if (expression.empty())
        return wrong(place, fmt::format("format {}: it must be one of {}", excerpt(*format),
                                        fmt::join(names, ", ")));
    }
    auto inner = regex_sequence(builder_, expression, pattern != s.end(), spell);
    if (!inner) return wrong(place, inner.error().message);
    return GrammarBuilder::join({quote, *inner, quote});
  }

  // x as a whole number of 10^-decimals.
  struct Decimal {
    int64_t units;
    int decimals;
  };
  static std::optional<Decimal> decimal(const Json& x) {
    if (!x.is_number() || std::abs(x.get<double>()) > static_cast<double>(kMostUnits))
      return std::nullopt;
    if (x.is_number_integer()) return Decimal{x.get<int64_t>(), 0};
    std::string text = fmt::format("{:.{}f}", x.get<double>(), kMostDecimals);
    if (std::strtod(text.c_str(), nullptr) != x.get<double>()) return std::nullopt;
    text.erase(text.find_last_not_of('0') + 1);
    const size_t point = text.find('.');
    const auto decimals = static_cast<int>(text.size() - point - 1);
    text.erase(point, 1);
    if (text.size() > 16) return std::nullopt;
    return Decimal{std::strtoll(text.c_str(), nullptr, 10), decimals};
  }

  Result<Sequence> number(const Json& s, bool whole, const std::string& place) {
    std::map<std::string, Decimal> given;
    int decimals = whole ? 0 : 6;
    for (const char* name :
         {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
      if (!s.contains(name)) continue;
      const auto value = decimal(s[name]);
      if (!value)
        return wrong(place, fmt::format("{} is {}: a number up to 10^15 with at most {} decimals "
                                        "is understood",
                                        name, excerpt(s[name]), kMostDecimals));
      given[name] = *value;
    }
    if (given.empty()) return whole ? json_.integer() : json_.number();
    if (!whole)
      for (const auto& [name, value] : given) decimals = std::max(decimals, value.decimals);
    int64_t low = -kMostUnits, high = kMostUnits, step = 1;
    for (const auto& [name, value] : given) {
      // In our units, rounded down and up.
      int64_t scale = 1, down = value.units, up = value.units;
      for (int i = value.decimals; i < decimals; ++i) scale *= 10;
      if (std::abs(value.units) > kMostUnits / scale)
        return wrong(place, fmt::format("{} is {}: too large for {} decimals", name,
                                        excerpt(s[name]), decimals));
      down = up = value.units * scale;
      for (int i = decimals; i < value.decimals; ++i) {
        down = down / 10 - (down % 10 < 0);
        up = up / 10 + (up % 10 > 0);
      }
      const bool exact = down == up;
      if (name == "minimum") low = std::max(low, up);
      if (name == "exclusiveMinimum") low = std::max(low, exact ? up + 1 : up);
      if (name == "maximum") high = std::min(high, down);
      if (name == "exclusiveMaximum") high = std::min(high, exact ? down - 1 : down);
      if (name == "multipleOf") {
        step = down;
        if (!exact || step < 1)
          return wrong(place,
                       fmt::format("multipleOf is {}: a positive multiple of the type's unit "
                                   "is understood",
                                   excerpt(s[name])));
      }
    }
    // Digits that a step makes zero need not be.
    while (decimals > 0 && step % 10 == 0 && low % 10 == 0 && high % 10 == 0) {
      step /= 10, low /= 10, high /= 10, --decimals;
    }
    if (step > kMostStep)
      return wrong(place, fmt::format("multipleOf: at most {} units of the last decimal are "
                                      "understood",
                                      kMostStep));
    if (low > high) return wrong(place, "no number is within its bounds");
    return json_.numbers(low, high, decimals, step);
  }

  const Json& root_;
  Schemas schemas_;
  GrammarBuilder& builder_;
  JsonGrammar& json_;
  std::map<std::string, int32_t> references_, brought_together_;
  int following_ = 0;
};

}  // namespace

Result<GrammarPtr> json_schema_grammar(const std::vector<FramedSchema>& any_of) {
  GrammarBuilder builder;
  JsonGrammar json(builder);
  std::vector<Sequence> ways;
  for (const FramedSchema& framed : any_of) {
    R1_TRY(const Sequence value, Compiler(framed.schema, builder, json).compile());
    ways.push_back(GrammarBuilder::join(
        {GrammarBuilder::literal(framed.before), value, GrammarBuilder::literal(framed.after)}));
  }
  return builder.build(builder.any_of(std::move(ways)));
}

}  // namespace r1

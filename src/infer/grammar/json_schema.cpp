// JSON Schema, as far as OpenAI's structured outputs take it, as a grammar.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "infer/grammar/json.h"
#include "infer/grammar/regex.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;
using Sequence = GrammarBuilder::Sequence;

constexpr int kDeepest = 64;
constexpr int64_t kMostUnits = 1'000'000'000'000'000;  // of a bounded number
constexpr int kMostDecimals = 9;
constexpr int64_t kMostStep = 1000;  // of multipleOf, in units

// They say something about a schema, and nothing about its values.
constexpr const char* kRemarks[] = {"title",      "description", "default",   "examples",
                                    "deprecated", "readOnly",    "writeOnly", "$schema",
                                    "$id",        "$comment",    "$defs",     "definitions"};

// What JSON Schema's formats are, as expressions.
#define R1_DATE "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
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
#undef R1_DATE
#undef R1_TIME
#undef R1_LABEL
#undef R1_OCTET

std::string excerpt(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60);
}

bool is_of_type(const Json& value, std::string_view type) {
  if (type == "integer")
    return value.is_number_integer() ||
           (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  return value.type_name() == type;
}

class Compiler {
 public:
  Compiler(const Json& root, GrammarBuilder& builder, JsonGrammar& json)
      : root_(root), builder_(builder), json_(json) {}

  Result<Sequence> compile() { return schema(root_, "#", 0); }

 private:
  Error wrong(const std::string& place, std::string what) const {
    return Error{fmt::format("the schema at {}: {}", place, what)};
  }

  Result<Sequence> schema(const Json& s, const std::string& place, int depth) {
    if (depth > kDeepest) return wrong(place, fmt::format("is nested deeper than {}", kDeepest));
    if (s == true) return json_.value();
    if (!s.is_object()) return wrong(place, "an object is wanted, found " + excerpt(s));
    if (s.contains("$ref")) {
      R1_DO(only(s, place, {"$ref"}));
      return reference(s["$ref"], place);
    }
    for (const char* name : {"anyOf", "allOf"}) {
      if (!s.contains(name)) continue;
      R1_DO(only(s, place, {name}));
      const Json& list = s[name];
      if (!list.is_array() || list.empty())
        return wrong(place, fmt::format("{}: a list is wanted", name));
      if (std::string_view(name) == "allOf" && list.size() > 1)
        return wrong(place, "allOf is understood with one schema in it, not more");
      std::vector<Sequence> ways;
      for (size_t i = 0; i < list.size(); ++i) {
        R1_TRY(Sequence way, schema(list[i], fmt::format("{}/{}/{}", place, name, i), depth + 1));
        ways.push_back(std::move(way));
      }
      return builder_.any_of(std::move(ways));
    }
    R1_TRY(const std::vector<std::string> types, types_of(s, place));
    if (s.contains("enum") || s.contains("const")) return values(s, types, place);
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
      for (const char* name : keywords(type)) known.insert(name);
    R1_DO(only(s, place, known));
    return builder_.any_of(std::move(ways));
  }

  static std::vector<const char*> keywords(std::string_view type) {
    if (type == "object") return {"properties", "required", "additionalProperties"};
    if (type == "array") return {"items", "minItems", "maxItems"};
    if (type == "string") return {"pattern", "format", "minLength", "maxLength"};
    if (type == "number" || type == "integer")
      return {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"};
    return {};
  }

  // Law 7: what restricts and is not understood is not passed over.
  Result<void> only(const Json& s, const std::string& place,
                    const std::set<std::string_view>& known) const {
    for (const auto& [name, value] : s.items()) {
      const bool remark = std::ranges::find(kRemarks, name) != std::end(kRemarks);
      if (remark || known.contains(name)) continue;
      return wrong(
          place,
          fmt::format("{} is not understood{}", excerpt(name),
                      known.empty() ? "" : fmt::format(" beside {}", fmt::join(known, ", "))));
    }
    return {};
  }

  Result<std::vector<std::string>> types_of(const Json& s, const std::string& place) const {
    constexpr const char* kTypes[] = {"object",  "array",   "string", "number",
                                      "integer", "boolean", "null"};
    std::vector<std::string> types;
    const auto given = s.find("type");
    if (given == s.end()) {  // what it restricts says what it is
      for (const char* type : {"object", "array", "string", "number"})
        for (const char* name : keywords(type))
          if (s.contains(name) && (types.empty() || types.back() != type)) types.emplace_back(type);
      return types;
    }
    const Json list = given->is_array() ? *given : Json::array({*given});
    if (list.empty()) return wrong(place, "type: the list is empty");
    for (const Json& type : list) {
      const bool known = std::ranges::any_of(kTypes, [&](const char* t) { return type == t; });
      if (!known)
        return wrong(place, fmt::format("type {}: it must be one of {}", excerpt(type),
                                        fmt::join(kTypes, ", ")));
      types.push_back(type.get<std::string>());
    }
    return types;
  }

  Result<Sequence> values(const Json& s, const std::vector<std::string>& types,
                          const std::string& place) {
    R1_DO(only(s, place, {"type", "enum", "const"}));
    const Json list = s.contains("const") ? Json::array({s["const"]}) : s["enum"];
    if (!list.is_array() || list.empty()) return wrong(place, "enum: a list of values is wanted");
    std::vector<Sequence> ways;
    for (const Json& value : list) {
      const bool fits = types.empty() || std::ranges::any_of(types, [&](const std::string& type) {
                          return is_of_type(value, type);
                        });
      if (fits)
        ways.push_back(
            GrammarBuilder::literal(value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    if (ways.empty()) return wrong(place, "no value of enum is of the type");
    return builder_.any_of(std::move(ways));
  }

  Result<Sequence> reference(const Json& to, const std::string& place) {
    if (!to.is_string() || !to.get_ref<const std::string&>().starts_with('#'))
      return wrong(place, fmt::format("$ref {}: one within the schema, beginning with #, is wanted",
                                      excerpt(to)));
    const std::string where = to.get<std::string>();
    const auto known = references_.find(where);
    if (known != references_.end()) return GrammarBuilder::reference(known->second);
    const Json* found = nullptr;
    try {
      found = &root_.at(Json::json_pointer(where.substr(1)));
    } catch (const Json::exception&) {
      return wrong(place, fmt::format("$ref {}: there is no such place", excerpt(to)));
    }
    const int32_t rule = builder_.declare(where);
    references_[where] = rule;
    // Each place is compiled once, so that chains of references end; their length is bounded here.
    if (++following_ > kDeepest) return wrong(place, "references lead on and on");
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
    static const Json kNone = Json::object(), kNobody = Json::array();
    const Json& properties = s.contains("properties") ? s["properties"] : kNone;
    const Json& required = s.contains("required") ? s["required"] : kNobody;
    if (!properties.is_object()) return wrong(place, "properties: an object is wanted");
    if (!required.is_array()) return wrong(place, "required: a list of names is wanted");
    std::set<std::string> wanted;
    for (const Json& name : required) {
      if (!name.is_string() || !properties.contains(name.get_ref<const std::string&>()))
        return wrong(place, fmt::format("required {} is none of its properties", excerpt(name)));
      wanted.insert(name.get<std::string>());
    }
    const auto more = s.find("additionalProperties");
    if (properties.empty()) {
      if (more == s.end() || *more == true) return json_.object();
      if (*more == false) return json_.list('{', {}, '}', 0, 0);
      R1_TRY(const Sequence value, schema(*more, place + "/additionalProperties", depth + 1));
      return json_.list('{', json_.pair(json_.string(), value), '}', 0, -1);
    }
    if (more != s.end() && !more->is_boolean() && !more->is_object())
      return wrong(place, "additionalProperties: true, false or a schema is wanted");
    // From the last property to the first: what may follow where none has been said, and where one
    // has.
    Sequence first, later;
    const Sequence comma =
        GrammarBuilder::join({json_.space(), GrammarBuilder::literal(","), json_.space()});
    std::vector<std::pair<std::string, const Json*>> all;
    for (const auto& [name, value] : properties.items()) all.emplace_back(name, &value);
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
    R1_TRY(const auto size, counts(s, "minItems", "maxItems", place));
    Sequence item = json_.value();
    if (s.contains("items")) {
      R1_TRY(item, schema(s["items"], place + "/items", depth + 1));
    }
    return json_.list('[', one_rule(item), ']', size.first, size.second);
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
    for (const char* name : keywords("number")) {
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
  GrammarBuilder& builder_;
  JsonGrammar& json_;
  std::map<std::string, int32_t> references_;
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

// What grammars allow, against texts known to be right and wrong, against a plain reading of the
// same schema, and token by token against every token tried alone.
#include "infer/grammar/grammar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/rng.h"
#include "infer/grammar/char_set.h"
#include "infer/grammar/constraint.h"
#include "tests/support/test_data.h"
#include "text/tokenizer.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

GrammarPtr made(Result<GrammarPtr> grammar) {
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar ? *grammar : nullptr;
}

GrammarPtr schema(const char* text) {
  return made(make_grammar({{"json_schema", Json::parse(text)}}));
}

bool matches(const GrammarPtr& grammar, std::string_view text) {
  Automaton a(grammar);
  Automaton::State state = a.begin(Grammar::kAtOnce);
  for (const char c : text) {
    state = a.next(state, static_cast<uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  return a.accepts(state);
}

struct Case {
  GrammarPtr grammar;
  std::vector<std::string> right, wrong;
};

void check(const Case& c) {
  ASSERT_TRUE(c.grammar);
  for (const std::string& text : c.right) EXPECT_TRUE(matches(c.grammar, text)) << text;
  for (const std::string& text : c.wrong) EXPECT_FALSE(matches(c.grammar, text)) << text;
}

TEST(Grammar, CharactersAreTheirUtf8) {
  const CharSet::Range kSets[] = {{0, 0x10FFFF},     {0x7F, 0x80},      {0x7FF, 0x800},
                                  {0xD000, 0xE001},  {0xFFFF, 0x10000}, {0x3B1, 0x3C9},
                                  {0x1F600, 0x1F64F}};
  for (const auto& range : kSets) {
    const CharSet set({range});
    const auto spellings = set.utf8();
    const auto has = [&](std::string_view bytes) {
      return std::ranges::count_if(spellings, [&](const auto& s) {
        return s.size() == bytes.size() && std::ranges::equal(s, bytes, [](auto r, char c) {
                 const auto b = static_cast<uint8_t>(c);
                 return r.low <= b && b <= r.high;
               });
      });
    };
    for (char32_t c = 0; c <= CharSet::kLast; c += c < 0x3000 ? 1 : 97) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string bytes;
      if (c < 0x80) {
        bytes = {static_cast<char>(c)};
      } else {
        const int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (int i = 0; i < n; ++i)
          bytes.insert(bytes.begin(), static_cast<char>(0x80 | (c >> (6 * i) & 0x3F)));
        bytes[0] = static_cast<char>((0xF00 >> n & 0xFF) | (c >> (6 * (n - 1))));
      }
      EXPECT_EQ(has(bytes), set.contains(c)) << static_cast<uint32_t>(c);
    }
  }
  EXPECT_EQ(CharSet({{'a', 'z'}}).complement().complement().ranges(),
            CharSet({{'a', 'z'}}).ranges());
}

TEST(Grammar, ReadsGbnf) {
  check({made(gbnf_grammar("root ::= (expr \"=\" term \"\\n\")+\n"
                           "expr ::= term ([-+*/] term)*  # left to right\n"
                           "term ::= ident | num | \"(\" expr \")\"\n"
                           "ident ::= [a-z] [a-z0-9_]*\n"
                           "num ::= [0-9]{1,3}\n")),
         {"a=1\n", "(a+b)*2=c\n", "1=2\n3=4\n", "999=x_1\n"},
         {"", "a=1", "a=\n", "1234=1\n", "(a=1\n", "A=1\n"}});
  check({made(gbnf_grammar("root ::= \"\\u00e9\\x41\\\"\" . [^a-z\\]]? | \"\"")),
         {"", "éA\"x", "éA\"é", "éA\"xX"},
         {"éA\"", "éA\"xa", "éA\"x]", "é"}});
  check(
      {made(gbnf_grammar("root ::= \"a\"* b{2,} c{0,1}\nb ::=\n  \"b\"\nc ::= (\"c\" |\n \"d\")")),
       {"bb", "abbbc", "aabbd"},
       {"b",
        "abb"
        "cd",
        "c"}});
  check({made(gbnf_grammar("root ::= \"(\" root \")\" | (\"x\"?)*")),
         {"", "xxx", "((x))"},
         {"(", "())"}});
}

TEST(Grammar, RefusesWrongGbnfWithItsLine) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "no rule root"},
      {"root ::= x", "x is used and never defined"},
      {"root ::= \"a\nb\"", "line 1"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2: root is defined twice"},
      {"root ::= (\"a\"", "( is not closed"},
      {"root ::= [a-", "[ that nothing closes"},
      {"root ::= [z-a]", "ends before it begins"},
      {"root ::= \"a\"{3,2}", "{3,2}"},
      {"root ::= \"a\"{99999999}", "repetitions"},
      {"root ::= root \"a\" | \"b\"", "rule root begins with itself"},
      {"root ::= a\na ::= b? a \"x\" | \"y\"\nb ::= \"b\"", "rule a begins with itself"},
      {"root ::= \"a\" root", "never ends"},
      {"root := \"a\"", "no ::="},
      {"::= \"a\"", "name of a rule"},
      {"root ::= \"\\q\"", "\\q is not understood"},
  };
  for (const auto& [text, words] : kCases) {
    const auto grammar = gbnf_grammar(text);
    ASSERT_FALSE(grammar) << text;
    EXPECT_NE(grammar.error().message.find(words), std::string::npos)
        << text << ": " << grammar.error().message;
  }
  EXPECT_FALSE(gbnf_grammar("root ::= " + std::string(200, '(') + std::string(200, ')')));
  std::string large = "root ::= \"\"";
  for (int i = 0; i < 20; ++i) large += " \"a\"{65536}";
  EXPECT_FALSE(gbnf_grammar(large));
}

TEST(Grammar, ReadsRegularExpressions) {
  check({made(regex_grammar("^[A-F]\\d{2,3}(?:-\\w+)?$")),
         {"A12", "F123-x_9"},
         {"G12", "A1", "A1234", "A12-"}});
  check({made(regex_grammar("a|bc*|(?<name>\\s)\\.")), {"a", "b", "bccc", " ."}, {"ab", "c", " "}});
  check({made(regex_grammar("[^\\d\\s]+?")), {"abc", "ä"}, {"", "a1", "a b"}});
  check({made(regex_grammar("\\u00e9|\\x41|\\u{1F600}|.")), {"é", "A", "😀", "x"}, {"\n", "xx"}});
  for (const char* wrong : {"(a", "a)", "[a", "*", "a{2,1}", "(?=a)", "(?<!a)b", "\\1", "\\b",
                            "a^b", "(^a)", "a{x}", "\\"}) {
    EXPECT_FALSE(regex_grammar(wrong)) << wrong;
  }
}

TEST(Grammar, ReadsSchemas) {
  check(
      {schema(R"({"type": "object"})"),
       {"{}", "{\"a\": [1, -2.5e3, true, null, \"\\u00e9\\ud83d\\ude00 é\"]}", "{\n  \"a\": {}\n}"},
       {"[]", "1", "{\"a\": 01}", "{\"a\": \"\\ud83d\"}", "{\"a\": \"\n\"}", "{\"a\":1,}"}});
  check({schema(R"({"type": "object", "properties": {"name": {"type": "string"}, "age":
                {"type": ["integer", "null"]}, "tags": {"type": "array", "items": {"enum": ["a", 2]},
                "maxItems": 2}}, "required": ["name", "age"], "additionalProperties": false})"),
         {R"({"name": "x", "age": 3})", R"({"name":"","age":null,"tags":[]})",
          R"({"name": "x", "age": 0, "tags": ["a", 2]})"},
         {R"({"age": 3, "name": "x"})", R"({"name": "x"})", R"({"name": "x", "age": 3.5})",
          R"({"name": "x", "age": 1, "tags": ["a", "a", "a"]})",
          R"({"name": "x", "age": 1, "z": 1})"}});
  check({schema(R"({"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}})"),
         {"{}", R"({"b":2})", R"({"a":1,"c":3})", R"({"a":1,"b":2,"c":3})"},
         {R"({"c":3,"a":1})", R"({"a":1,})", R"({,"a":1})", R"({"a":2})"}});
  check({schema(R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties":
                {"v": {"type": "boolean"}, "next": {"anyOf": [{"$ref": "#/$defs/node"},
                {"type": "null"}]}}, "required": ["v", "next"]}}})"),
         {R"({"v":true,"next":null})", R"({"v":true,"next":{"v":false,"next":null}})"},
         {R"({"v":true})", R"({"v":true,"next":{}})"}});
  check({schema(R"({"type": "object", "additionalProperties": {"type": "integer"}})"),
         {"{}", R"({"a":1, "b": 2})"},
         {R"({"a":"b"})"}});
  check({schema(R"({"type": "string", "pattern": "^[\"\\\\a]\n?$"})"),
         {R"("\"")", R"("\\")", R"("a\n")"},
         {R"(""")", R"("b")", "\"a\n\""}});
  check({schema(R"({"type": "string", "pattern": "b+"})"), {R"("abba")", R"("b")"}, {R"("aa")"}});
  check({schema(R"({"type": "string", "minLength": 1, "maxLength": 2})"),
         {R"("é")", R"("\"\n")"},
         {R"("")", R"("abc")"}});
  check({schema(R"({"type": "array", "items": {"type": "null"}, "minItems": 2})"),
         {"[null,null]", "[null, null,\n  null]"},
         {"[null]", "[]"}});
  const std::tuple<const char*, const char*, const char*> kFormats[] = {
      {"date", "2025-01-31", "2025-13-01"},
      {"time", "23:59:59Z", "24:00:00Z"},
      {"date-time", "2025-01-31T08:00:00.5+02:00", "2025-01-31 08:00:00Z"},
      {"duration", "P1DT2H3S", "P"},
      {"email", "a.b@c.de", "a@b"},
      {"hostname", "a-b.example", "-a"},
      {"ipv4", "255.0.10.1", "256.0.0.1"},
      {"ipv6", "2001:db8:0:0:0:0:0:1", "2001:db8"},
      {"uuid", "01234567-89ab-cdef-0123-456789abcdef", "0123"}};
  for (const auto& [format, right, wrong] : kFormats)
    check({schema(Json{{"type", "string"}, {"format", format}}.dump().c_str()),
           {Json(right).dump()},
           {Json(wrong).dump()}});
  check({schema(R"({"type": "string", "format": "date"})"),
         {R"("2024-02-29")", R"("2000-02-29")", R"("0001-04-30")", R"("9999-12-31")"},
         {R"("2023-02-29")", R"("1900-02-29")", R"("2024-02-30")", R"("2024-04-31")",
          R"("0000-01-01")", R"("2024-00-10")"}});
}

TEST(Grammar, ReadsTuples) {
  check({schema(R"({"type": "array", "prefixItems": [{"type": "integer"}, {"const": "a"}],
                "items": {"type": "null"}})"),
         {"[]", "[1]", "[1,\"a\"]", "[ 1, \"a\", null , null]"},
         {"[null]", "[1,null]", "[1,\"a\",2]", "[,]", "[1,]"}});
  check({schema(R"({"prefixItems": [{"const": 1}, {"const": 2}, {"const": 3}], "items": false,
                "minItems": 2})"),
         {"[1,2]", "[1,2,3]"},
         {"[]", "[1]", "[1,2,3,4]", "[2,1]"}});
  check({schema(R"({"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 9},
                "minItems": 1, "maxItems": 3})"),
         {"[1]", "[1,2]", "[1,2,9]"},
         {"[]", "[1,2,9,9]", "[1,9]"}});
  check({schema(R"({"prefixItems": [{"const": 1}, {"const": 2}], "maxItems": 1})"),
         {"[]", "[1]"},
         {"[1,2]"}});
  check({schema(R"({"type": "array", "items": {"const": 1}, "minItems": 1, "maxItems": 2})"),
         {"[1]", "[1,1]"},
         {"[]", "[1,1,1]"}});
  check({schema(R"({"type": "array", "maxItems": 0})"), {"[]", "[ ]"}, {"[1]"}});
}

TEST(Grammar, BringsTogetherWhatStandsBesideEachOther) {
  check({schema(R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}},
                "required": ["a"]}, {"properties": {"b": {"type": "null"}, "a": {"maximum": 3,
                "minimum": 2}}}]})"),
         {R"({"a":2})", R"({"a":3,"b":null})"},
         {R"({"a":4})", R"({"b":null})", "{}"}});
  check({schema(R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})"),
         {R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
         {"{}"}});
  check({schema(R"({"$ref": "#/$defs/p", "required": ["x"], "$defs": {"p": {"properties": {"x":
                {"type": "integer"}, "y": {"type": "integer"}}, "additionalProperties": false}}})"),
         {R"({"x":1})", R"({"x":1,"y":2})"},
         {"{}", R"({"y":2})"}});
  check({schema(R"({"allOf": [{"properties": {"a": {}}, "additionalProperties": false},
                {"properties": {"b": {}}}]})"),
         {"{}", R"({"a":1})"},
         {R"({"b":1})"}});
  check({schema(R"({"allOf": [{"enum": [1, 2, "a", "bcd"]}, {"minimum": 2}, {"maxLength": 2}]})"),
         {"2", "\"a\""},
         {"1", "\"bcd\""}});
  check({schema(R"({"type": "string", "enum": ["2025-01-31", "x"], "pattern": "^\\d"})"),
         {"\"2025-01-31\""},
         {"\"x\""}});
  check({schema(R"({"allOf": [{"type": ["string", "integer"]}, {"type": ["number", "null"]}]})"),
         {"3"},
         {"3.5", "null", "\"a\""}});
  check({schema(R"({"allOf": [{"prefixItems": [{"type": "integer"}]}, {"items": {"minimum": 5},
                "maxItems": 2}]})"),
         {"[]", "[5]", "[7,6.5]"},
         {"[4]", "[5.5]", "[5,5,5]"}});
  // What comes back to itself ends, brought together too.
  check(
      {schema(R"({"type": "object", "properties": {"z": {"const": 0}, "n": {"allOf": [{"$ref": "#"},
                {"required": ["z"]}]}}})"),
       {"{}", R"({"n":{"z":0}})", R"({"z":0,"n":{"z":0,"n":{"z":0}}})"},
       {R"({"n":{}})", R"({"n":{"z":0,"n":{}}})"}});
}

TEST(Grammar, OneOfIsOfSchemasThatExcludeEachOther) {
  check({schema(R"({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})"),
         {"\"a\"", "1", "null"},
         {"1.5", "true"}});
  // By what a required property is.
  const char* kShapes = R"({"oneOf": [{"$ref": "#/$defs/circle"}, {"$ref": "#/$defs/square"}],
      "discriminator": {"propertyName": "kind"}, "$defs": {
      "circle": {"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type":
          "integer"}}, "required": ["r"]},
      "square": {"type": "object", "properties": {"kind": {"const": "square"}, "side": {"type":
          "integer"}}, "required": ["side"]}}})";
  check({schema(kShapes),
         {R"({"kind":"circle","r":1})", R"({"kind":"square","side":1})"},
         {R"({"r":1})", R"({"kind":"circle","side":1})"}});
  // By what only one must have, for objects are closed.
  check({schema(R"({"oneOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]},
                {"properties": {"b": {"const": 1}}, "required": ["b"]}]})"),
         {R"({"a":1})", R"({"b":1})"},
         {"{}", R"({"a":1,"b":1})"}});
  check({schema(R"({"type": "object", "properties": {"v": {"enum": [1, 2, 3]}, "n": {"type":
                "integer"}}, "required": ["v"], "oneOf": [{"properties": {"v": {"const": 1}}},
                {"properties": {"v": {"enum": [2, 3]}}, "required": ["n"]}]})"),
         {R"({"v":1})", R"({"v":1,"n":5})", R"({"v":2,"n":5})"},
         {R"({"v":2})", R"({"v":4})"}});
  check({schema(R"({"oneOf": [{"type": "number", "maximum": 0}, {"type": "integer", "minimum": 1},
                {"type": "array", "maxItems": 1}, {"type": "array", "minItems": 2,
                "items": {"type": "null"}}]})"),
         {"-3", "7", "[1]", "[null,null]"},
         {"0.5", "[1,1]"}});
  check({schema(R"({"oneOf": [{"const": "a"}, {"enum": ["b", "c"]}, {"type": "string",
                "minLength": 2}]})"),
         {"\"a\"", "\"c\"", "\"dd\""},
         {"\"d\""}});
}

TEST(Grammar, RefusesWhatItDoesNotUnderstandWithItsPlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"([])", "at #: an object is wanted"},
      {R"({"type": "thing"})", "must be one of object"},
      {R"({"type": "object", "properties": {"a": {"type": "string", "contentEncoding": "x"}}})",
       "at #/properties/a: \"contentEncoding\" is not understood"},
      {R"({"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "number"}]})",
       "at #: oneOf: what keeps to 0 may keep to 2 too"},
      {R"({"type": "object", "properties": {"a": {"oneOf": [{"properties": {"b": {"const": 1}}},
           {"properties": {"b": {"const": 2}}}]}}})",
       "at #/properties/a: oneOf"},
      {R"({"oneOf": {}})", "oneOf: a list is wanted"},
      {R"({"oneOf": [{"format": "date", "type": "string"}, {"format": "uuid", "type": "string"}]})",
       "write anyOf"},
      {R"({"not": {}})", "\"not\""},
      {R"({"allOf": []})", "allOf: a list is wanted"},
      {R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})",
       "\"pattern\" is not understood as both \"a\" and \"b\""},
      {R"({"allOf": [{"type": "string"}, {"type": "null"}]})", "no value keeps to all"},
      {R"({"allOf": [{"not": {}}, {"type": "null"}]})", "\"not\" is not understood"},
      {R"({"allOf": [{"$ref": "#"}]})", "on and on"},
      {R"({"type": "object", "required": ["a"], "additionalProperties": false})", "required \"a\""},
      {R"({"type": "string", "format": "color"})", "date-time"},
      {R"x({"type": "string", "pattern": "(?=a)"})x", "look around"},
      {R"({"type": "string", "pattern": "a", "minLength": 2})", "only one of"},
      {R"({"type": "array", "minItems": 3, "maxItems": 2})", "above maxItems"},
      {R"({"type": "array", "prefixItems": {}})", "prefixItems: a list is wanted"},
      {R"({"type": "array", "items": [{}]})", "a list is prefixItems"},
      {R"({"type": "array", "prefixItems": [{}], "items": false, "minItems": 2})", "no other"},
      {R"({"type": "array", "uniqueItems": true})", "\"uniqueItems\" is not understood beside"},
      {R"({"type": "integer", "minimum": 2, "maximum": 1})", "within its bounds"},
      {R"({"type": "integer", "multipleOf": 0.5})", "multipleOf is 0.5"},
      {R"({"type": "number", "minimum": 1e300})", "10^15"},
      {R"({"enum": []})", "enum"},
      {R"({"type": "string", "enum": [1]})", "no value of enum"},
      {R"({"$ref": "#/$defs/x"})", "no such place"},
      {R"({"$ref": "http://a"})", "within the schema"},
      {R"({"$ref": "#"})", "never ends"},
      {R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})",
       "never ends"},
  };
  for (const auto& [text, words] : kCases) {
    const auto grammar = make_grammar({{"json_schema", Json::parse(text)}});
    ASSERT_FALSE(grammar) << text;
    EXPECT_NE(grammar.error().message.find(words), std::string::npos) << grammar.error().message;
  }
}

TEST(Grammar, NumbersKeepToTheirBoundsAndSteps) {
  struct Bounds {
    double low, high, step;
    bool whole;
  };
  for (const Bounds& b : {Bounds{-120, 37, 1, true},
                          {5, 9, 1, true},
                          {0, 0, 1, true},
                          {-7, -7, 1, true},
                          {12, 345, 7, true},
                          {-50, 50, 12, true},
                          {-1.5, 2.25, 0.25, false},
                          {0.1, 0.3, 0.01, false}}) {
    const auto grammar = schema(Json{{"type", b.whole ? "integer" : "number"},
                                     {"minimum", b.low},
                                     {"maximum", b.high},
                                     {"multipleOf", b.step}}
                                    .dump()
                                    .c_str());
    const double unit = b.whole ? 1 : 0.01;
    for (int i = -500; i <= 500; ++i) {
      const double x = i * unit, steps = x / b.step;
      const bool right =
          x > b.low - 1e-9 && x < b.high + 1e-9 && std::abs(steps - std::round(steps)) < 1e-9;
      if (i == 0 && b.low > 0) {
        EXPECT_FALSE(matches(grammar, "-0"));
      }
      const std::string text =
          b.whole ? fmt::format("{}", i) : Json(std::round(x * 100) / 100).dump();
      EXPECT_EQ(matches(grammar, text), right) << text << " in " << b.low << " to " << b.high;
    }
  }
  check({schema(R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})"),
         {"0.5", "0.000001", "0.999999", "0.50"},
         {"0", "1", "0.0", "1.0", "-0.5", "0."}});
  check({schema(R"({"type": "integer", "exclusiveMinimum": 0.5, "maximum": 10.5})"),
         {"1", "10"},
         {"0", "11", "01"}});
  check({schema(R"({"type": "integer", "minimum": 1000000})"),
         {"1000000", "999999999999999"},
         {"999999", "-1000000"}});
}

// A plain reading of a schema, for values.
bool valid(const Json& s, const Json& v, const Json& root) {
  if (s.contains("$ref"))
    return valid(root.at(Json::json_pointer(s["$ref"].get<std::string>().substr(1))), v, root);
  const auto keeps = [&](const Json& way) { return valid(way, v, root); };
  if (s.contains("anyOf")) return std::ranges::any_of(s["anyOf"], keeps);
  if (s.contains("oneOf") && std::ranges::count_if(s["oneOf"], keeps) != 1) return false;
  if (s.contains("allOf") && !std::ranges::all_of(s["allOf"], keeps)) return false;
  if (s.contains("enum"))
    return std::ranges::any_of(s["enum"], [&](const Json& one) { return one == v; });
  const std::string type = s.value("type", "");
  if (type == "integer" && !v.is_number_integer()) return false;
  if (type == "number" && !v.is_number()) return false;
  if (type != "integer" && type != "number" && !type.empty() && v.type_name() != type) return false;
  if (v.is_number() && v.get<double>() < s.value("minimum", -1e300)) return false;
  if (v.is_number() && v.get<double>() > s.value("maximum", 1e300)) return false;
  if (s.contains("pattern") &&
      !std::regex_search(v.get<std::string>(), std::regex(s["pattern"].get<std::string>())))
    return false;
  if (type == "array") {
    if (v.size() < s.value("minItems", 0u) || v.size() > s.value("maxItems", 1000u)) return false;
    const auto first = s.value("prefixItems", Json::array());
    for (size_t i = 0; i < v.size(); ++i)
      if (!valid(i < first.size() ? first[i] : s["items"], v[i], root)) return false;
  }
  if (v.is_object()) {
    const auto properties = s.value("properties", Json::object());
    for (const Json& name : s.value("required", Json::array()))
      if (!v.contains(name.get<std::string>())) return false;
    for (const auto& [name, value] : v.items()) {
      if (type == "object" && !properties.contains(name)) return false;
      if (properties.contains(name) && !valid(properties[name], value, root)) return false;
    }
  }
  return true;
}

TEST(Grammar, WhateverItAllowsParsesAndIsValid) {
  const char* kSchemas[] = {
      R"({"type": "object", "properties": {"id": {"type": "integer", "minimum": -3, "maximum": 1200},
          "x": {"type": "number", "minimum": 0.5, "maximum": 2}, "s": {"type": "string"},
          "p": {"type": "string", "pattern": "^[a-c]{1,3}\\d?$"}, "k": {"enum": ["é\"", 1, null]}},
          "required": ["id", "p"]})",
      R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"l": {"anyOf":
          [{"$ref": "#/$defs/t"}, {"type": "null"}]}, "v": {"type": "boolean"}}, "required": ["l"]}}})",
      R"({"type": "array", "minItems": 1, "maxItems": 4, "items": {"type": "array", "items":
          {"type": "number"}}})",
      R"({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "x": {"type": "integer"},
          "t": {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "string", "pattern":
          "^[xy]$"}], "items": {"type": "integer", "minimum": 3, "maximum": 9}, "minItems": 1}},
          "required": ["kind"], "oneOf": [{"properties": {"kind": {"enum": ["a"]}}}, {"allOf":
          [{"properties": {"kind": {"enum": ["b"]}}}, {"required": ["t"]}]}]})",
  };
  for (const char* text : kSchemas) {
    const Json s = Json::parse(text);
    const auto grammar = schema(text);
    ASSERT_TRUE(grammar);
    for (uint64_t seed = 0; seed < 200; ++seed) {
      Automaton a(grammar);
      Automaton::State state = a.begin(Grammar::kAtOnce);
      std::string said;
      for (uint64_t i = 0; !a.accepts(state); ++i) {
        ASSERT_LT(i, 100'000u);
        // The further it has come the more it is drawn to what ends: the lowest byte allowed that
        // is no digit, often.
        std::vector<uint8_t> ways;
        for (int byte = 0; byte < 256; ++byte)
          if (a.next(state, static_cast<uint8_t>(byte)) != Automaton::kDead)
            ways.push_back(static_cast<uint8_t>(byte));
        ASSERT_FALSE(ways.empty()) << said;
        size_t pick = static_cast<size_t>(uniform(seed, 1, i) * static_cast<double>(ways.size()));
        if (i > 60) {
          for (const char end : std::string_view("\"]}n,"))
            for (size_t w = 0; w < ways.size(); ++w)
              if (ways[w] == static_cast<uint8_t>(end) && uniform(seed, 2, i) < 0.7) pick = w;
        }
        said += static_cast<char>(ways[pick]);
        state = a.next(state, ways[pick]);
      }
      const Json value = Json::parse(said, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << said;
      EXPECT_TRUE(valid(s, value, s)) << said;
    }
  }
}

TEST(Constraint, AMaskIsEveryTokenTriedAlone) {
  R1_TEST_DATA(path, "tokenizers/smollm2/tokenizer.json.gz");
  const auto tokenizer = Tokenizer::from_json(read_test_file(path));
  ASSERT_TRUE(tokenizer);
  const auto say = [&](int32_t id) -> std::string_view {
    return tokenizer->kind(id) == TokenKind::kControl ? "" : tokenizer->bytes(id);
  };
  const auto tree = std::make_shared<TokenTree>(tokenizer->size(), say);
  const int32_t end = *tokenizer->eos();
  const auto grammar = schema(R"({"type": "object", "properties": {"name": {"type": "string"}, "n":
                              {"type": "integer", "minimum": 10, "maximum": 250}},
                              "required": ["name", "n"]})");
  const std::string text = "{\"name\": \"Zoë \\u00e9 x\",\n  \"n\": 25}";
  for (size_t at = 0; at <= text.size(); ++at) {
    Constraint c(grammar, tree, {end});
    ASSERT_TRUE(c.take(std::string_view(text).substr(0, at)));
    const auto mask = c.mask();
    EXPECT_EQ(mask, c.mask());  // remembered
    for (int32_t id = 0; id < tokenizer->size(); ++id) {
      Constraint alone = c;
      const bool right = id == end ? at == text.size() : !say(id).empty() && alone.take(say(id));
      ASSERT_EQ(allows(*mask, id), right) << at << ": " << say(id);
    }
    EXPECT_EQ(c.complete(), at == text.size());
  }
}

TEST(Constraint, ForgettingChangesNothing) {
  const auto grammar = schema(R"({"type": "object"})");
  Automaton kept(grammar), forgetful(grammar);
  Automaton::State a = kept.begin(Grammar::kAtOnce), b = forgetful.begin(Grammar::kAtOnce);
  for (const char c : std::string_view("{\"a\":[{\"b\":[1,2,{\"c\":\"\\n\"}]}]}")) {
    a = kept.next(a, static_cast<uint8_t>(c));
    b = forgetful.forget_others(forgetful.next(b, static_cast<uint8_t>(c)));
    ASSERT_NE(b, Automaton::kDead);
    EXPECT_EQ(forgetful.states(), 1u);
    for (int byte = 0; byte < 256; ++byte)
      EXPECT_EQ(kept.next(a, static_cast<uint8_t>(byte)) == Automaton::kDead,
                forgetful.next(b, static_cast<uint8_t>(byte)) == Automaton::kDead);
  }
  EXPECT_TRUE(forgetful.accepts(b));
}

}  // namespace
}  // namespace r1

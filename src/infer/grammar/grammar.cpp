#include "infer/grammar/grammar.h"

#include <nlohmann/json.hpp>

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

Result<GrammarPtr> make(const Json& spec) {
  if (!spec.is_object() || spec.size() != 1)
    return error("a grammar is an object with one of json_schema, gbnf, regex, any_of");
  const std::string kind = spec.begin().key();
  const Json& what = spec.begin().value();
  if (kind == "json_schema") return json_schema_grammar({{"", what, ""}});
  if (kind == "gbnf" && what.is_string()) return gbnf_grammar(what.get_ref<const std::string&>());
  if (kind == "regex" && what.is_string()) return regex_grammar(what.get_ref<const std::string&>());
  if (kind != "any_of" || !what.is_array() || what.empty())
    return error("a grammar of the kind {} is not understood", kind);
  std::vector<FramedSchema> ways;
  for (const Json& way : what) {
    for (const char* name : {"before", "schema", "after"})
      if (!way.is_object() || !way.contains(name) || (name[0] != 's' && !way[name].is_string()))
        return error("any_of: {} is missing", name);
    ways.push_back(
        {way["before"].get<std::string>(), way["schema"], way["after"].get<std::string>()});
  }
  return json_schema_grammar(ways);
}

}  // namespace

Result<GrammarPtr> make_grammar(const Json& spec) {
  R1_TRY(const GrammarPtr made, make(spec));
  auto grammar = std::make_shared<Grammar>(*made);
  grammar->spec = spec.dump(-1, ' ', false, Json::error_handler_t::replace);
  return GrammarPtr(std::move(grammar));
}

}  // namespace r1

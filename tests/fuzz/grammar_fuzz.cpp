// Schemas, GBNF and regular expressions, and the automata made of them: what a schema's automaton
// accepts is JSON, and whatever has begun can go on or end.
#include <nlohmann/json.hpp>

#include "infer/grammar/automaton.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Json = nlohmann::ordered_json;
  if (size < 2 || size > 4096) return 0;
  // The first byte says what it is, the second how much of the rest is the walk.
  const size_t walk = std::min<size_t>(data[1], size - 2);
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2 - walk);
  const int kind = data[0] % 3;
  r1::Result<r1::GrammarPtr> grammar = r1::error("none");
  if (kind == 0) {
    const Json schema = Json::parse(text, nullptr, false);
    if (schema.is_discarded()) return 0;
    grammar = r1::make_grammar({{"json_schema", schema}});
  } else {
    grammar = kind == 1 ? r1::gbnf_grammar(text) : r1::regex_grammar(text);
  }
  if (!grammar || (*grammar)->items.size() > 20'000) return 0;
  r1::Automaton a(*grammar);
  auto state = a.begin(r1::Grammar::kAtOnce);
  std::string said;
  for (size_t i = 0; i < walk; ++i) {
    if (kind == 0 && a.accepts(state) && Json::parse(said, nullptr, false).is_discarded())
      __builtin_trap();
    int byte = data[size - 1 - i];  // or the next that is allowed
    int tried = 0;
    while (tried < 256 && a.next(state, static_cast<uint8_t>(byte)) == r1::Automaton::kDead) {
      byte = (byte + 1) % 256;
      ++tried;
    }
    if (tried == 256) {
      if (kind == 0 && !a.accepts(state)) __builtin_trap();
      break;
    }
    said += static_cast<char>(byte);
    state = a.next(state, static_cast<uint8_t>(byte));
    if (i % 7 == 6) state = a.forget_others(state);
  }
  return 0;
}

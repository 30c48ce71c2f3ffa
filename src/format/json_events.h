// JSON as a stream of events: nothing is built that the caller did not ask for, nesting is limited,
// and every refusal is an error. For outside JSON whose shape is known; nlohmann's SAX parser does
// the lexing.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"

namespace r1 {

using JsonScalar =
    std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;  // monostate: null

class JsonVisitor {
 public:
  virtual ~JsonVisitor() = default;
  virtual Result<void> begin_object() = 0;
  virtual Result<void> end_object() = 0;
  virtual Result<void> begin_array() = 0;
  virtual Result<void> end_array() = 0;
  virtual Result<void> key(std::string& name) = 0;  // may be moved from
  virtual Result<void> scalar(
      JsonScalar value) = 0;  // integers as int64_t, or uint64_t where that is too small
};

inline constexpr int kJsonDepthLimit = 32;

// Walks one JSON document. The error is the visitor's, or says where the text stops being JSON.
Result<void> visit_json(std::string_view text, JsonVisitor& visitor);

}  // namespace r1

#include "format/json_events.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace r1 {
namespace {

using nlohmann::json;

// nlohmann's SAX interface; false stops the parser.
class Adapter : public nlohmann::json_sax<json> {
 public:
  explicit Adapter(JsonVisitor& visitor) : visitor_(visitor) {}

  bool null() override { return scalar({}); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(int64_t value) override { return scalar(value); }
  bool number_unsigned(uint64_t value) override {
    return value <= INT64_MAX ? scalar(static_cast<int64_t>(value)) : scalar(value);
  }
  bool number_float(double value, const std::string&) override { return scalar(value); }
  bool string(std::string& value) override { return scalar(std::move(value)); }
  bool binary(json::binary_t&) override { return fail(error("binary values are not JSON")); }
  bool key(std::string& name) override { return pass(visitor_.key(name)); }
  bool start_object(size_t) override { return deeper() && pass(visitor_.begin_object()); }
  bool start_array(size_t) override { return deeper() && pass(visitor_.begin_array()); }
  bool end_object() override { return --depth_, pass(visitor_.end_object()); }
  bool end_array() override { return --depth_, pass(visitor_.end_array()); }
  bool parse_error(size_t, const std::string&, const json::exception& e) override {
    const std::string_view text = e.what();  // "[json.exception.parse_error.101] parse error at …"
    return fail(error("{}", text.substr(text.find("] ") + 2)));
  }

  Result<void> result() && {
    if (error_) return *std::move(error_);
    return {};
  }

 private:
  bool fail(Error e) {
    error_ = std::move(e);
    return false;
  }
  bool pass(Result<void> r) { return r || fail(std::move(r).error()); }
  bool scalar(JsonScalar value) { return pass(visitor_.scalar(std::move(value))); }
  bool deeper() {
    return ++depth_ <= kJsonDepthLimit ||
           fail(error("JSON nested more than {} deep", kJsonDepthLimit));
  }

  JsonVisitor& visitor_;
  std::optional<Error> error_;
  int depth_ = 0;
};

}  // namespace

Result<void> visit_json(std::string_view text, JsonVisitor& visitor) {
  Adapter adapter(visitor);
  json::sax_parse(text.begin(), text.end(), &adapter);
  return std::move(adapter).result();
}

}  // namespace r1

// tojson, as transformers defines it for chat templates: json.dumps without HTML escaping.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/builtins.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

class JsonWriter {
 public:
  explicit JsonWriter(const Call& c) : out_(c.budget), ascii_(c.flag(0)), sorted_(c.flag(3)) {
    if (c.has(1) && !c[1].is(Kind::kNone)) {
      pretty_ = true;
      if (c[1].is(Kind::kString)) {
        margin_ = c[1].text();
      } else {
        const auto width = static_cast<uint64_t>(std::max<int64_t>(c.integer(1), 0));
        c.budget.fits(width);
        margin_.assign(width, ' ');
      }
    }
    if (pretty_) item_separator_ = ",";
    if (c.has(2) && !c[2].is(Kind::kNone)) {
      const bool pair = c[2].is(Kind::kSequence) && c[2].sequence().items.size() == 2;
      if (!pair)
        throw Failure("tojson() separators must be a pair (item_separator, key_separator)");
      item_separator_ = to_text(c.budget, c[2].sequence().items[0]);
      key_separator_ = to_text(c.budget, c[2].sequence().items[1]);
    }
  }

  void write(const Value& v, int depth = 0) {
    out_.budget().step();
    switch (v.kind()) {
      case Kind::kNone:
        return out_.append("null");
      case Kind::kBool:
        return out_.append(v.boolean() ? "true" : "false");
      case Kind::kInt:
        return out_.append(fmt::to_string(v.integer()));
      case Kind::kFloat:
        return out_.append(number(v.real()));
      case Kind::kString:
        return write_string(v.text());
      case Kind::kSequence:
        if (v.sequence().kind == SequenceKind::kLazy) break;
        return write_list(v.sequence().items, depth);
      case Kind::kMapping:
        return write_mapping(v.mapping().items, depth);
      default:
        break;
    }
    throw Failure(fmt::format("Object of type {} is not JSON serializable", v.type_name()));
  }

  std::string take() { return out_.take(); }

 private:
  static std::string number(double v) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
    return float_repr(v);
  }

  void write_string(std::string_view text) {
    std::string json = "\"";
    for (size_t i = 0; i < text.size();) {
      const Character c = character_at(text, i);
      switch (c.code) {
        case '"':
          json += "\\\"";
          break;
        case '\\':
          json += "\\\\";
          break;
        case '\n':
          json += "\\n";
          break;
        case '\r':
          json += "\\r";
          break;
        case '\t':
          json += "\\t";
          break;
        case '\f':
          json += "\\f";
          break;
        case '\b':
          json += "\\b";
          break;
        default:
          if (c.code < 0x20) {
            json += fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code));
          } else if (c.code < 0x80 || !ascii_ || (c.size == 1)) {
            json.append(text, i, c.size);
          } else if (c.code < 0x10000) {
            json += fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code));
          } else {
            const auto rest = static_cast<uint32_t>(c.code) - 0x10000;
            json +=
                fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
          }
      }
      i += c.size;
    }
    json += '"';
    out_.append(json);
  }

  void new_line(int depth) {
    if (!pretty_) return;
    out_.append("\n");
    for (int i = 0; i < depth; ++i) out_.append(margin_);
  }

  void write_list(const Values& items, int depth) {
    out_.append("[");
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(item_separator_);
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) new_line(depth);
    out_.append("]");
  }

  // Keys become strings as json.dumps makes them.
  void write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        return write_string(key.text());
      case Kind::kNone:
        return out_.append("\"null\"");
      case Kind::kBool:
        return out_.append(key.boolean() ? "\"true\"" : "\"false\"");
      case Kind::kInt:
        return out_.append(fmt::format("\"{}\"", key.integer()));
      case Kind::kFloat:
        return out_.append(fmt::format("\"{}\"", number(key.real())));
      default:
        throw Failure(
            fmt::format("keys must be str, int, float, bool or None, not {}", key.type_name()));
    }
  }

  void write_mapping(Items items, int depth) {
    if (sorted_) {
      std::stable_sort(items.begin(), items.end(), [this](const auto& a, const auto& b) {
        return compare(out_.budget(), a.first, b.first) < 0;
      });
    }
    out_.append("{");
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_.append(item_separator_);
      new_line(depth + 1);
      write_key(items[i].first);
      out_.append(key_separator_);
      write(items[i].second, depth + 1);
    }
    if (!items.empty()) new_line(depth);
    out_.append("}");
  }

  Output out_;
  bool ascii_, sorted_, pretty_ = false;
  std::string margin_, item_separator_ = ", ", key_separator_ = ": ";
};

}  // namespace

Value to_json(const Call& c) {
  if (c.self.is(Kind::kUndefined)) throw Failure(c.self.why());
  JsonWriter writer(c);
  writer.write(c.self);
  return c.budget.string(writer.take());
}

}  // namespace r1::jinja

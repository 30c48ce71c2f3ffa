#include "text/jinja/objects.h"

#include <fmt/format.h>

namespace r1::jinja {

Namespace::Namespace(Items items) {
  for (auto& [name, value] : items) {
    if (name.is(Value::Kind::kString)) attributes_[name.text()] = std::move(value);
  }
}

Value Namespace::attribute(std::string_view name) {
  const auto found = attributes_.find(name);
  if (found != attributes_.end()) return found->second;
  return Value::undefined(fmt::format("the namespace has no attribute '{}'", name));
}

Value MacroObject::attribute(std::string_view name) {
  if (name == "name") return Value::literal(definition_.name);
  return Value::undefined(fmt::format("the macro has no attribute '{}'", name));
}

bool Loop::changed(const Values& values) {
  Budget& budget = interpreter_.budget();
  bool same = last_changed_ && last_changed_->size() == values.size();
  for (size_t i = 0; same && i < values.size(); ++i)
    same = equal(budget, (*last_changed_)[i], values[i]);
  if (!same) last_changed_ = values;
  return !same;
}

namespace {

Loop& loop_of(const Call& c) { return static_cast<Loop&>(c.self.object()); }

Value changed(const Call& c) { return loop_of(c).changed(c.arguments().positional); }

Value cycle(const Call& c) {
  const Values& values = c.arguments().positional;
  if (values.empty()) throw Failure("no items for cycling given");
  return values[loop_of(c).at % values.size()];
}

constexpr Builtin kCycle = {"cycle", cycle, "*"};
constexpr Builtin kChanged = {"changed", changed, "*"};

}  // namespace

Value Loop::attribute(std::string_view name) {
  const auto index = static_cast<int64_t>(at);
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return length_ - index;
  if (name == "revindex0") return length_ - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == length_;
  if (name == "length") return length_;
  if (name == "depth") return int64_t{depth_} + 1;
  if (name == "depth0") return int64_t{depth_};
  if (name == "previtem")
    return at > 0 && at <= items.size() ? items[at - 1]
                                        : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return at + 1 < items.size() ? items[at + 1] : Value::undefined("there is no next item");
  if (name == "cycle") return interpreter_.budget().function(this, &kCycle);
  if (name == "changed") return interpreter_.budget().function(this, &kChanged);
  return Value::undefined(fmt::format("'loop' has no attribute '{}'", name));
}

Value Loop::call(const Arguments& arguments) {
  if (!statement_.recursive)
    throw Failure("the loop is not recursive: write {% for ... recursive %}");
  if (arguments.positional.size() != 1) throw Failure("loop() takes one argument");
  return interpreter_.run_nested_loop(statement_, scope_, arguments.positional[0], depth_ + 1);
}

}  // namespace r1::jinja

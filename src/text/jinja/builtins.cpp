#include "text/jinja/builtins.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/operators.h"

namespace r1::jinja {

namespace {

const Value kAbsent;

// The words of Builtin::parameters.
std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    result.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

}  // namespace

Call::Call(Runtime& r, const Value& subject, const Builtin& builtin, const Arguments& arguments)
    : runtime(r), budget(r.budget()), self(subject), builtin_(builtin), arguments_(arguments) {
  std::vector<std::string_view> names = words(builtin.parameters);
  bool any_position = false, any_name = false;
  std::vector<bool> required;
  for (; !names.empty() && names.back().front() == '*'; names.pop_back()) {
    (names.back() == "*" ? any_position : any_name) = true;
  }
  for (std::string_view& name : names) {
    required.push_back(name.back() == '!');
    if (required.back()) name.remove_suffix(1);
  }
  bound_.assign(names.size(), nullptr);
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < names.size()) {
      bound_[i] = &arguments.positional[i];
    } else if (!any_position) {
      throw Failure(fmt::format("{}() takes at most {} arguments, {} given", builtin.name,
                                names.size(), arguments.positional.size()));
    }
  }
  for (const auto& [name, value] : arguments.named) {
    const auto at =
        static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (at < names.size()) {
      if (bound_[at])
        throw Failure(
            fmt::format("{}() got multiple values for argument '{}'", builtin.name, name));
      bound_[at] = &value;
    } else if (!any_name) {
      throw Failure(
          fmt::format("{}() got an unexpected keyword argument '{}'", builtin.name, name));
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (required[i] && !bound_[i]) {
      throw Failure(fmt::format("{}() missing 1 required argument: '{}'", builtin.name, names[i]));
    }
  }
}

const Value& Call::operator[](size_t i) const { return bound_[i] ? *bound_[i] : kAbsent; }

int64_t Call::integer(size_t i, int64_t absent) const {
  const Value& v = (*this)[i];
  if (!bound_[i] || v.is(Value::Kind::kNone)) return absent;
  if (v.is(Value::Kind::kUndefined)) throw Failure(v.why());
  if (!v.is_integer())
    throw Failure(fmt::format("{}() expects an integer, not {}", builtin_.name, v.type_name()));
  return v.integer();
}

bool Call::flag(size_t i, bool absent) const { return bound_[i] ? bound_[i]->truthy() : absent; }

std::string Call::text(size_t i, std::string_view absent) const {
  if (!bound_[i] || bound_[i]->is(Value::Kind::kNone)) return std::string(absent);
  return to_text(budget, *bound_[i]);
}

Arguments Call::rest(size_t begin) const {
  Arguments rest;
  if (begin < arguments_.positional.size()) {
    rest.positional.assign(arguments_.positional.begin() + static_cast<std::ptrdiff_t>(begin),
                           arguments_.positional.end());
  }
  rest.named = arguments_.named;
  return rest;
}

namespace {

const Builtin* find(std::span<const Builtin> table, std::string_view name) {
  for (const Builtin& builtin : table) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

}  // namespace

const Builtin* find_filter(std::string_view name) {
  const Builtin* found = find(text_filters(), name);
  return found ? found : find(sequence_filters(), name);
}

const Builtin* find_test(std::string_view name) { return find(tests(), name); }
const Builtin* find_function(std::string_view name) { return find(functions(), name); }

const Builtin* find_method(Value::Kind kind, std::string_view name) {
  switch (kind) {
    case Value::Kind::kString:
      return find(text_methods(), name);
    case Value::Kind::kSequence:
      return find(sequence_methods(), name);
    case Value::Kind::kMapping:
      return find(mapping_methods(), name);
    default:
      return nullptr;
  }
}

Value run(Runtime& runtime, const Builtin& builtin, const Value& self, const Arguments& arguments) {
  runtime.budget().step();
  return builtin.run(Call(runtime, self, builtin, arguments));
}

Value attribute_path(Budget& budget, Value v, const Value& path) {
  if (path.is_integer()) return subscript(budget, v, path);
  const std::string names = to_text(budget, path);
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find('.', begin), names.size());
    const std::string name = names.substr(begin, end - begin);
    budget.step();
    const bool number = !name.empty() && name.size() < 10 &&
                        name.find_first_not_of("0123456789") == std::string::npos;
    v = subscript(budget, v, number ? Value(int64_t{std::stoi(name)}) : budget.string(name));
    begin = end + 1;
  }
  return v;
}

}  // namespace r1::jinja

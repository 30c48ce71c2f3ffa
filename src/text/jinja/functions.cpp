// Functions a template finds without defining them: Jinja2's, and those Hugging Face transformers
// adds.
#include <fmt/format.h>

#include <ctime>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

constexpr int64_t kMaxRange = 100'000;  // MAX_RANGE of Jinja2's sandbox

Value range(const Call& c) {
  const int64_t begin = c.has(1) ? c.integer(0) : 0, end = c.has(1) ? c.integer(1) : c.integer(0);
  const int64_t step = c.integer(2, 1);
  if (step == 0) throw Failure("range() arg 3 must not be zero");
  Values items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) == kMaxRange) {
      throw Failure(fmt::format("range() of more than {} elements", kMaxRange));
    }
    items.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return c.budget.list(std::move(items));
}

// Entries of a mapping or of pairs, then the named arguments; a later one replaces an earlier one
// of its name.
Items entries(const Call& c) {
  Items result;
  const auto put = [&](const Value& key, const Value& value) {
    c.budget.step(1 + result.size() / 16);
    for (auto& [name, old] : result) {
      if (equal(c.budget, name, key)) {
        old = value;
        return;
      }
    }
    result.emplace_back(key, value);
  };
  const Arguments& arguments = c.arguments();
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kMapping)) {
      for (const auto& [key, value] : source.mapping().items) put(key, value);
    } else {
      for (const Value& item : iterate(c.budget, source)) {
        const Values pair = iterate(c.budget, item);
        if (pair.size() != 2) throw Failure("a dictionary is made from pairs");
        put(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) put(c.budget.string(name), value);
  return result;
}

Value dict(const Call& c) { return c.budget.mapping(entries(c)); }
Value make_namespace(const Call& c) { return c.runtime.new_namespace(entries(c)); }

// What raise_exception says is the whole error.
Value raise_exception(const Call& c) { throw Raised(c.text(0)); }

// datetime.now().strftime(format)
Value strftime_now(const Call& c) {
  const std::string format = c.text(0);
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[1024];
  if (format.size() > 256)
    throw Failure(fmt::format("strftime_now() format of {} bytes, at most 256", format.size()));
  return c.budget.string(
      std::string(buffer, std::strftime(buffer, sizeof buffer, format.c_str(), &local)));
}

constexpr Builtin kFunctions[] = {
    {"dict", dict, "iterable **"},
    {"namespace", make_namespace, "entries **"},
    {"raise_exception", raise_exception, "message!"},
    {"range", range, "start! stop step"},
    {"strftime_now", strftime_now, "format!"},
};

}  // namespace

std::span<const Builtin> functions() { return kFunctions; }

}  // namespace r1::jinja

// Filters on sequences and mappings, by Jinja2's documentation. What are generators there are lazy
// sequences here.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

Values elements(const Call& c) { return iterate(c.budget, c.self); }
Value lazy(const Call& c, Values items) {
  return c.budget.list(std::move(items), SequenceKind::kLazy);
}
Value pair(const Call& c, Value a, Value b) {
  return c.budget.list({std::move(a), std::move(b)}, SequenceKind::kTuple);
}

// What an element is sorted, compared or grouped by: its attribute if one is named, in lower case
// unless case_sensitive.
Value sort_key(const Call& c, const Value& element, bool has_attribute, const Value& path,
               bool case_sensitive) {
  Value key =
      has_attribute && !path.is(Kind::kNone) ? attribute_path(c.budget, element, path) : element;
  if (!case_sensitive && key.is(Kind::kString))
    return c.budget.string(change_case(key.text(), Case::kLower));
  return key;
}

void sort_by(const Call& c, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? compare(c.budget, b.first, a.first) < 0
                   : compare(c.budget, a.first, b.first) < 0;
  });
}

Value size(const Call& c) { return length(c.self); }
Value list(const Call& c) { return c.budget.list(elements(c)); }

Value first(const Call& c) {
  const Values items = elements(c);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(const Call& c) {
  const Values items = elements(c);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value join(const Call& c) {
  const std::string separator = c.text(0);
  Output out(c.budget);
  bool begun = false;
  for (const Value& item : elements(c)) {
    if (begun) out.append(separator);
    begun = true;
    write_text(out, c.has(1) ? attribute_path(c.budget, item, c[1]) : item);
  }
  return c.budget.string(out.take());
}

Value reverse(const Call& c) {
  if (c.self.is(Kind::kString)) {
    std::string result;
    const std::vector<std::string_view> chars = characters(c.budget, c.self.text());
    for (auto it = chars.rbegin(); it != chars.rend(); ++it) result += *it;
    return c.budget.string(std::move(result));
  }
  Values items = elements(c);
  std::reverse(items.begin(), items.end());
  return lazy(c, std::move(items));
}

const Builtin& named(const Builtin* found, const char* kind, const Value& name) {
  if (!found)
    throw Failure(
        fmt::format("No {} named '{}'.", kind, name.is(Kind::kString) ? name.text() : "?"));
  return *found;
}

Value map(const Call& c) {
  const Arguments& arguments = c.arguments();
  Values result;
  if (arguments.positional.empty()) {
    const Value *path = nullptr, *otherwise = nullptr;
    for (const auto& [name, value] : arguments.named) {
      if (name == "attribute") path = &value;
      if (name == "default") otherwise = &value;
    }
    if (!path) throw Failure("map requires a filter argument");
    for (const Value& item : elements(c)) {
      Value found = attribute_path(c.budget, item, *path);
      result.push_back(otherwise && found.is(Kind::kUndefined) ? *otherwise : std::move(found));
    }
    return lazy(c, std::move(result));
  }
  const std::string name = to_text(c.budget, arguments.positional[0]);
  const Builtin& filter = named(find_filter(name), "filter", arguments.positional[0]);
  const Arguments rest = c.rest(1);
  const Budget::Level level(c.budget);  // map may map
  for (const Value& item : elements(c)) result.push_back(run(c.runtime, filter, item, rest));
  return lazy(c, std::move(result));
}

// select, reject and their attr forms: keeps the elements for which the test gives `wanted`.
Value chosen(const Call& c, bool by_attribute, bool wanted) {
  const size_t at = by_attribute ? 1 : 0;
  const Values& given = c.arguments().positional;
  if (given.size() < at) throw Failure("Missing parameter for attribute name");
  const Builtin* test = nullptr;
  if (given.size() > at) test = &named(find_test(to_text(c.budget, given[at])), "test", given[at]);
  const Arguments rest = c.rest(at + 1);
  Values result;
  for (const Value& item : elements(c)) {
    const Value subject = by_attribute ? attribute_path(c.budget, item, given[0]) : item;
    const bool passes = test ? run(c.runtime, *test, subject, rest).truthy() : subject.truthy();
    if (passes == wanted) result.push_back(item);
  }
  return lazy(c, std::move(result));
}

Value select(const Call& c) { return chosen(c, false, true); }
Value reject(const Call& c) { return chosen(c, false, false); }
Value selectattr(const Call& c) { return chosen(c, true, true); }
Value rejectattr(const Call& c) { return chosen(c, true, false); }

Value sort(const Call& c) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements(c))
    keyed.emplace_back(sort_key(c, item, c.has(2), c[2], c.flag(1)), item);
  sort_by(c, keyed, c.flag(0));
  Values result;
  for (auto& [key, item] : keyed) result.push_back(std::move(item));
  return c.budget.list(std::move(result));
}

Value unique(const Call& c) {
  Values result, keys;
  for (const Value& item : elements(c)) {
    Value key = sort_key(c, item, c.has(1), c[1], c.flag(0));
    if (std::any_of(keys.begin(), keys.end(),
                    [&](const Value& k) { return equal(c.budget, k, key); }))
      continue;
    keys.push_back(std::move(key));
    result.push_back(item);
  }
  return lazy(c, std::move(result));
}

Value extreme(const Call& c, int wanted) {
  const Values items = elements(c);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = sort_key(c, items[0], c.has(1), c[1], c.flag(0));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = sort_key(c, items[i], c.has(1), c[1], c.flag(0));
    if (compare(c.budget, key, best_key) != wanted) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

Value minimum(const Call& c) { return extreme(c, -1); }
Value maximum(const Call& c) { return extreme(c, 1); }

Value sum(const Call& c) {
  Value total = c.has(1) ? c[1] : Value(int64_t{0});
  const bool by_attribute = c.has(0) && !c[0].is(Kind::kNone);
  for (const Value& item : elements(c)) {
    total = arithmetic(c.budget, Operator::kAdd, total,
                       by_attribute ? attribute_path(c.budget, item, c[0]) : item);
  }
  return total;
}

uint64_t positive(const Call& c, size_t i) {
  const int64_t n = c.integer(i);
  if (n < 1) throw Failure(fmt::format("a count of at least 1 is needed, got {}", n));
  return static_cast<uint64_t>(n);
}

Value batch(const Call& c) {
  const uint64_t columns = positive(c, 0);
  const bool fill = c.has(1) && !c[1].is(Kind::kNone);
  Values rows, row;
  for (const Value& item : elements(c)) {
    if (row.size() == columns) rows.push_back(c.budget.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (fill && !row.empty()) {
    c.budget.fits(columns > UINT32_MAX ? UINT64_MAX : columns * sizeof(Value));
    row.resize(std::max<uint64_t>(columns, row.size()), c[1]);
  }
  if (!row.empty()) rows.push_back(c.budget.list(std::move(row)));
  return lazy(c, std::move(rows));
}

Value slices(const Call& c) {
  const uint64_t n = positive(c, 0);
  const bool fill = c.has(1) && !c[1].is(Kind::kNone);
  const Values items = elements(c);
  const uint64_t shorter = items.size() / n, longer = items.size() % n;
  c.budget.fits(n > UINT32_MAX ? UINT64_MAX : n * sizeof(Value));
  Values result;
  for (uint64_t i = 0, at = 0; i < n; ++i) {
    const uint64_t count = shorter + (i < longer ? 1 : 0);
    Values part(items.begin() + static_cast<std::ptrdiff_t>(at),
                items.begin() + static_cast<std::ptrdiff_t>(at + count));
    at += count;
    if (fill && i >= longer) part.push_back(c[1]);
    result.push_back(c.budget.list(std::move(part)));
  }
  return lazy(c, std::move(result));
}

Value groupby(const Call& c) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : elements(c))
    keyed.emplace_back(sort_key(c, item, true, c[0], c.flag(2)), item);
  sort_by(c, keyed, false);
  Values groups;
  for (size_t begin = 0, end = 0; begin < keyed.size(); begin = end) {
    Values members;
    for (; end < keyed.size() && equal(c.budget, keyed[begin].first, keyed[end].first); ++end) {
      members.push_back(keyed[end].second);
    }
    Value name = attribute_path(c.budget, members.front(), c[0]);
    groups.push_back(pair(c, std::move(name), c.budget.list(std::move(members))));
  }
  return c.budget.list(std::move(groups));
}

Value items(const Call& c) {
  if (c.self.is(Kind::kUndefined)) return lazy(c, {});
  if (!c.self.is(Kind::kMapping)) throw Failure("Can only get item pairs from a mapping.");
  Values result;
  for (const auto& [key, value] : c.self.mapping().items) result.push_back(pair(c, key, value));
  return lazy(c, std::move(result));
}

Value dictsort(const Call& c) {
  if (!c.self.is(Kind::kMapping))
    throw Failure(fmt::format("dictsort() expects a dict, not {}", c.self.type_name()));
  const std::string by = c.text(1, "key");
  if (by != "key" && by != "value")
    throw Failure("You can only sort by either \"key\" or \"value\"");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : c.self.mapping().items) {
    keyed.emplace_back(sort_key(c, by == "key" ? key : value, false, {}, c.flag(0)),
                       pair(c, key, value));
  }
  sort_by(c, keyed, c.flag(2));
  Values result;
  for (auto& [key, item] : keyed) result.push_back(std::move(item));
  return c.budget.list(std::move(result));
}

// Like v.name, but never a dictionary's entry.
Value attr(const Call& c) {
  const std::string name = c.text(0);
  if (c.self.is(Kind::kMapping) && !find_method(Kind::kMapping, name)) {
    return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
  }
  return attribute(c.budget, c.self, name);
}

constexpr Builtin kSequenceFilters[] = {
    {"attr", attr, "name!"},
    {"batch", batch, "linecount! fill_with"},
    {"count", size},
    {"dictsort", dictsort, "case_sensitive by reverse"},
    {"first", first},
    {"groupby", groupby, "attribute! default case_sensitive"},
    {"items", items},
    {"join", join, "d attribute"},
    {"last", last},
    {"length", size},
    {"list", list},
    {"map", map, "* **"},
    {"max", maximum, "case_sensitive attribute"},
    {"min", minimum, "case_sensitive attribute"},
    {"reject", reject, "* **"},
    {"rejectattr", rejectattr, "* **"},
    {"reverse", reverse},
    {"select", select, "* **"},
    {"selectattr", selectattr, "* **"},
    {"slice", slices, "slices! fill_with"},
    {"sort", sort, "reverse case_sensitive attribute"},
    {"sum", sum, "attribute start"},
    {"unique", unique, "case_sensitive attribute"},
};

}  // namespace

std::span<const Builtin> sequence_filters() { return kSequenceFilters; }

}  // namespace r1::jinja

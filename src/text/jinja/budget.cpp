#include "text/jinja/budget.h"

#include <fmt/format.h>

#include <algorithm>

namespace r1::jinja {

void Budget::step(uint64_t n) {
  steps_ += n;
  if (steps_ > limits_.steps)
    throw Failure(fmt::format("the template takes more than {} steps", limits_.steps));
}

void Budget::fits(uint64_t bytes) const {
  if (bytes > limits_.output) {
    throw Failure(
        fmt::format("the template makes a text or value of more than {} bytes", limits_.output));
  }
}

void Budget::hold(uint64_t bytes) {
  fits(bytes);
  if (held_ + bytes > kMemoryFactor * limits_.output) {
    throw Failure(fmt::format("the template needs more than {} bytes of memory",
                              kMemoryFactor * limits_.output));
  }
  held_ += bytes;
}

Budget::Level::Level(Budget& budget) : budget_(budget) {
  if (budget.level_ >= kRecursionFactor * budget.limits_.depth) {
    throw Failure(fmt::format("the template recurses more than {} levels deep",
                              kRecursionFactor * budget.limits_.depth));
  }
  ++budget.level_;
}

template <class T>
std::shared_ptr<const T> Budget::keep(T value, uint64_t bytes) {
  bytes += 2 * sizeof(T) + 32;  // with its control block
  work(bytes);
  hold(bytes);
  return std::shared_ptr<const T>(new T(std::move(value)), [this, bytes](const T* p) {
    delete p;
    release(bytes);
  });
}

int Budget::nested(const Value& element, int depth) const {
  depth = std::max(depth, 1 + element.depth());
  if (depth > limits_.depth)
    throw Failure(fmt::format("a value is nested more than {} levels deep", limits_.depth));
  return depth;
}

Value Budget::string(std::string text) {
  const uint64_t bytes = text.size();
  return keep(std::move(text), bytes);
}

Value Budget::list(Values items, SequenceKind kind) {
  int depth = 1;
  for (const Value& item : items) depth = nested(item, depth);
  const uint64_t bytes = items.size() * sizeof(Value);
  return keep(Sequence{std::move(items), kind, depth}, bytes);
}

Value Budget::mapping(Items items) {
  int depth = 1;
  for (const auto& [key, value] : items) depth = nested(value, nested(key, depth));
  const uint64_t bytes = items.size() * 2 * sizeof(Value);
  return keep(Mapping{std::move(items), depth}, bytes);
}

Value Budget::function(Value self, const Builtin* builtin) {
  nested(self, 1);
  return keep(Function{std::move(self), builtin}, 0);
}

void Output::append(std::string_view text) {
  budget_.fits(text_.size() + text.size());
  budget_.work(text.size());
  budget_.hold(text.size());
  text_.append(text);
}

void Output::append(uint64_t count, char c) {
  budget_.fits(count);
  budget_.fits(text_.size() + count);
  budget_.work(count);
  budget_.hold(count);
  text_.append(count, c);
}

std::string Output::take() {
  budget_.release(text_.size());
  return std::exchange(text_, {});
}

}  // namespace r1::jinja

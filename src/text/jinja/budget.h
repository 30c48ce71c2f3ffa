// The limits of one render (TemplateLimits): every step, byte and level is paid for here, and what
// exceeds a limit stops the render with a Failure that names the limit. Values made here give their
// bytes back when they die, so a Budget outlives them.
#pragma once

#include "text/chat_template.h"
#include "text/jinja/value.h"

namespace r1::jinja {

class Budget {
 public:
  explicit Budget(const TemplateLimits& limits) : limits_(limits) {}
  Budget(const Budget&) = delete;

  void step(uint64_t n = 1);
  void work(uint64_t bytes) { step(bytes / 1024); }  // copying and scanning
  void fits(uint64_t bytes) const;                   // a value or an output of that size is allowed
  void hold(uint64_t bytes);  // memory in use, at most kMemoryFactor times the output
  void release(uint64_t bytes) { held_ -= bytes; }

  Value string(std::string text);
  Value list(Values items, SequenceKind kind = SequenceKind::kList);
  Value mapping(Items items);
  Value function(Value self, const Builtin* builtin);

  // Data and macros nest at most limits.depth deep, all recursion kRecursionFactor times that.
  int max_depth() const { return limits_.depth; }
  class Level {
   public:
    explicit Level(Budget& budget);
    ~Level() { --budget_.level_; }
    Level(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  static constexpr uint64_t kMemoryFactor = 4;
  static constexpr int kRecursionFactor = 10;

  template <class T>
  std::shared_ptr<const T> keep(T value, uint64_t bytes);
  int nested(const Value& element, int depth) const;

  TemplateLimits limits_;
  uint64_t steps_ = 0, held_ = 0;
  int level_ = 0;
};

// Text under construction: what is rendered, a macro's result, JSON.
class Output {
 public:
  explicit Output(Budget& budget) : budget_(budget) {}
  ~Output() { budget_.release(text_.size()); }
  Output(const Output&) = delete;

  void append(std::string_view text);
  void append(uint64_t count, char c);
  Budget& budget() { return budget_; }
  std::string take();

 private:
  Budget& budget_;
  std::string text_;
};

// str(v) and repr(v).
void write_text(Output& out, const Value& v);
void write_repr(Output& out, const Value& v);
std::string to_text(Budget& budget, const Value& v);
std::string float_repr(double v);

// The characters of a text small enough to be taken apart.
std::vector<std::string_view> characters(Budget& budget, std::string_view text);

// a == b, and a < b as -1, 0, 1; ordering unlike types fails.
bool equal(Budget& budget, const Value& a, const Value& b);
int compare(Budget& budget, const Value& a, const Value& b);

}  // namespace r1::jinja

// Result<T>: a value, or an Error that says what was wrong, the value, and what would work (law 7).
// The world's faults travel as Result; our own faults stop at R1_CHECK, caught once in main and in
// each worker.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace r1 {

struct Error {
  std::string message;

  // The same error, told from one floor up: "context: message".
  Error in(std::string_view context) && { return Error{fmt::format("{}: {}", context, message)}; }
};

template <class... Args>
Error error(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error e) : state_(std::in_place_index<1>, std::move(e)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error e) : error_(std::move(e)) {}

  explicit operator bool() const { return !error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

// R1_TRY(auto x, f()): x is the value of f(), or the enclosing function returns f's error.
// R1_DO(f()): the same without a value.
#define R1_CONCAT_(a, b) a##b
#define R1_CONCAT(a, b) R1_CONCAT_(a, b)
#define R1_TRY_(tmp, declaration, expression) \
  auto tmp = (expression);                    \
  if (!tmp) return std::move(tmp).error();    \
  declaration = *std::move(tmp)
#define R1_TRY(declaration, expression) \
  R1_TRY_(R1_CONCAT(r1_try_, __LINE__), declaration, expression)
#define R1_DO(expression)                                                   \
  do {                                                                      \
    if (auto r1_do = (expression); !r1_do) return std::move(r1_do).error(); \
  } while (false)

// A broken promise of our own code. Never reachable by a request, a file or a flag.
class CheckFailure : public std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

#define R1_CHECK(condition)                                               \
  do {                                                                    \
    if (!(condition)) ::r1::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

}  // namespace r1

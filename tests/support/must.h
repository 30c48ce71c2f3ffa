// The value of a result, for tests in which it cannot fail; an exception, with what went wrong, if
// it does.
#pragma once

#include <stdexcept>
#include <utility>

#include "base/error.h"

namespace r1 {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace r1

#include "base/error.h"

namespace r1 {

void check_failed(const char* file, int line, const char* condition) {
  throw CheckFailure(
      fmt::format("internal error at {}:{}: {} does not hold", file, line, condition));
}

}  // namespace r1

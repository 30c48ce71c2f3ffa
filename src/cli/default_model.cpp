#include "cli/default_model.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

namespace r1 {

Result<std::string> default_model(std::string_view another) {
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure).parent_path();
  for (const char* root : {"../share/r1", "../.."}) {
    const auto path = (program / root / "models/r1-nano").lexically_normal();
    if (std::filesystem::exists(path / "model.safetensors", failure)) {
      fmt::print(stderr,
                 "r1: no MODEL given, so this is {}, which learned to play Countdown; "
                 "{} takes another\n",
                 path.string(), another);
      return path.string();
    }
  }
  return error("no MODEL given and no models/r1-nano beside the program: {}", another);
}

}  // namespace r1

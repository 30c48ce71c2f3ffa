// Recipes: any text is a recipe or an error; a recipe written out and read again is the same.
#include <string>
#include <string_view>

#include "train/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1 << 16) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // What follows the last "--set " is an override.
  const size_t at = text.rfind("--set ");
  std::string overrides[] = {at == text.npos ? "run.steps=1" : std::string(text.substr(at + 6))};
  const auto recipe =
      r1::parse_recipe(text.substr(0, at), "recipe", r1::TrainKind::kSft, overrides);
  if (!recipe) return 0;
  const std::string written = r1::to_toml(*recipe);
  const auto again = r1::parse_recipe(written, "again", r1::TrainKind::kSft);
  if (!again || r1::to_toml(*again) != written) __builtin_trap();
  return 0;
}

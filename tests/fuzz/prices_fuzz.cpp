// Prices: any text is a table or an error, and no cost is below nothing.
#include <string_view>

#include "serve/prices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1 << 16) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto table = r1::PriceTable::parse(text, "prices")) {
    const r1::Usage usage{.prompt_tokens = 3, .cached_tokens = 1, .generated_tokens = 1 << 30};
    for (const char* model : {"a", ""})
      if (table->of(model).of(usage) < 0) __builtin_trap();
  }
  if (const auto budget = r1::parse_budget(text)) {
    const auto again = r1::parse_dollars(r1::format_dollars(budget->nanos));
    if (!again || *again != budget->nanos) __builtin_trap();
  }
  return 0;
}

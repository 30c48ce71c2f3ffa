// Numbers as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

std::string format_bytes(uint64_t bytes);    // binary: 512 B, 1.5 KiB, 4.36 GiB
std::string format_count(uint64_t count);    // decimal: 135 M, 1.78 B, 671 B
std::string format_grouped(uint64_t count);  // 671,026,419,200
std::string format_seconds(double seconds);  // 850 ms, 12.3 s, 4 min 05 s

// "16G", "512M", "1.5GiB", "4096": binary units, any case. Refuses what is not a size.
Result<uint64_t> parse_bytes(std::string_view text);

}  // namespace r1

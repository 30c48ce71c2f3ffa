// What tells whether a file was written or replaced, without reading it.
#pragma once

#include <string>

namespace r1 {

// Size, inode and time of the last change; "" where there is no such file.
std::string file_stamp(const std::string& path);

}  // namespace r1

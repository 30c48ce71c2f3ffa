#include "tests/support/test_data.h"

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace r1 {

std::string find_test_data(const std::string& name) {
  const char* folder = std::getenv("R1_DATA");
  const auto path = std::filesystem::path(folder ? folder : R1_DATA) / name;
  return std::filesystem::exists(path) ? path.string() : "";
}

std::string read_test_file(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");  // reads plain files as they are
  if (!file) throw std::runtime_error("cannot open " + path);
  std::string text;
  char buffer[1 << 16];
  int n;
  while ((n = gzread(file, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  gzclose(file);
  if (n < 0) throw std::runtime_error("cannot read " + path);
  return text;
}

}  // namespace r1

// Where tests find the real models, tokenizers and goldens: R1_DATA, or ../shared/data beside the
// project.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace r1 {

// The path of `name` in the data folder, or "" where it is absent.
std::string find_test_data(const std::string& name);

// The text of a file; a name ending in .gz is unpacked.
std::string read_test_file(const std::string& path);

// Declares `path`, or skips the test and says what is missing.
#define R1_TEST_DATA(path, name)                 \
  const std::string path = find_test_data(name); \
  if (path.empty()) GTEST_SKIP() << "test data absent: " << (name)

}  // namespace r1

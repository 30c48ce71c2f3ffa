// What a running model keeps in memory.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/process.h"

namespace r1 {
namespace {

// Packing drops the file's pages as it goes: at no moment are the weights resident twice.
TEST(Memory, IsTheWeightsAndATenthAndTheProgramWhileLoadingAndAfter) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep memory of their own";
#endif
  const TemporaryFolder folder;
  const std::string model = folder / "model.gguf";
  const Finished written = run_r1({"synth", "smollm2-135m", model, "--type", "q8_0"});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto weights = static_cast<int64_t>(std::filesystem::file_size(model));
  const Finished run = run_r1({"run", model, "hello", "--max-tokens", "4"});
  ASSERT_EQ(run.code, 0) << run.err;
  // The program itself: its code and libraries, the vocabulary, activations.
  constexpr int64_t kProgram = 40 << 20;
  EXPECT_LT(run.peak_bytes, weights + weights / 10 + kProgram);
  EXPECT_GT(run.peak_bytes, weights);  // the measurement measures
}

}  // namespace
}  // namespace r1

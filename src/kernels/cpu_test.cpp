#include "kernels/cpu.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/matmul/matmul.h"

namespace r1 {
namespace {

class Cpu : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* value = std::getenv("R1_ISA")) before_ = value;
  }
  void TearDown() override {
    before_.empty() ? unsetenv("R1_ISA") : setenv("R1_ISA", before_.c_str(), 1);
  }

  std::string before_;
};

TEST_F(Cpu, TheBestIsChosenUnlessOneIsForced) {
  unsetenv("R1_ISA");
  ASSERT_TRUE(chosen_isa());
  EXPECT_EQ(*chosen_isa(), supported_isas().back());
  EXPECT_EQ(supported_isas().front(), Isa::kRef);
  for (Isa isa : supported_isas()) {
    setenv("R1_ISA", std::string(name(isa)).c_str(), 1);
    ASSERT_TRUE(chosen_isa());
    EXPECT_EQ(*chosen_isa(), isa);
    const MatmulKernel* kernel = find_matmul(DType::kQ4_1, Compute::kFast, *chosen_isa());
    EXPECT_TRUE(supported(kernel->isa));
    EXPECT_EQ(kernel->isa == isa, kernel->name == "q4_1/" + std::string(name(isa)));
    if (isa <= Isa::kAvx2) {
      EXPECT_EQ(kernel->isa, isa);
    }
  }
}

TEST_F(Cpu, AnUnknownOrUnsupportedSetIsAnErrorThatNamesWhatThereIs) {
  for (const char* forced : {"avx9", "AVX2", "avx2 ", supported(Isa::kNeon) ? "avx2" : "neon"}) {
    setenv("R1_ISA", forced, 1);
    const auto isa = chosen_isa();
    ASSERT_FALSE(isa) << forced;
    EXPECT_NE(isa.error().message.find(forced), std::string::npos);
    EXPECT_NE(isa.error().message.find("ref"), std::string::npos);
  }
}

}  // namespace
}  // namespace r1

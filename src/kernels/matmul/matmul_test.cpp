#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <set>

#include "kernels/matmul/random_matrix.h"
#include "quant/half.h"

namespace r1 {
namespace {

constexpr DType kWeightTypes[] = {DType::kF32,  DType::kF16,    DType::kBF16,   DType::kQ4_0,
                                  DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,   DType::kQ8_0,
                                  DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,   DType::kQ5_K,
                                  DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

struct Product {
  DType type;
  int64_t rows, cols;
  std::vector<std::byte> weights;
  std::vector<float> x;  // [n_tokens, cols]

  int64_t n_tokens() const { return static_cast<int64_t>(x.size()) / cols; }
};

Product random_product(DType type, int64_t rows, int64_t cols, int64_t n_tokens) {
  return {type, rows, cols, random_matrix(type, rows, cols, 7),
          random_activations(n_tokens * cols, 11)};
}

std::vector<std::byte> pack(const MatmulKernel& kernel, const Product& p) {
  const size_t row_bytes = p.weights.size() / static_cast<size_t>(p.rows);
  const int64_t n_groups = (p.rows + kernel.row_group - 1) / kernel.row_group;
  std::vector<std::byte> packed(kernel.packed_bytes(p.cols) * static_cast<size_t>(n_groups));
  for (int64_t g = 0; g < n_groups; ++g) {
    const int64_t row = g * kernel.row_group;
    kernel.pack(p.weights.data() + row_bytes * static_cast<size_t>(row),
                static_cast<int>(std::min<int64_t>(kernel.row_group, p.rows - row)), p.cols,
                packed.data() + kernel.packed_bytes(p.cols) * static_cast<size_t>(g));
  }
  return packed;
}

std::vector<std::byte> prepare(const MatmulKernel& kernel, const Product& p) {
  const size_t bytes = kernel.activation_bytes(p.cols);
  std::vector<std::byte> prepared(bytes * static_cast<size_t>(p.n_tokens()));
  for (int64_t t = 0; t < p.n_tokens(); ++t) {
    kernel.prepare(p.x.data() + t * p.cols, p.cols,
                   prepared.data() + bytes * static_cast<size_t>(t));
  }
  return prepared;
}

// y [n_tokens, rows], computed `tokens` tokens and `groups` row groups at a time. The space between
// the rows of y must stay as it was.
std::vector<float> run(const MatmulKernel& kernel, const Product& p, int64_t tokens,
                       int64_t groups) {
  constexpr float kUntouched = -12345;
  const auto packed = pack(kernel, p);
  const auto prepared = prepare(kernel, p);
  const int64_t n_groups = (p.rows + kernel.row_group - 1) / kernel.row_group;
  const int64_t stride = p.rows + 3;
  std::vector<float> y(static_cast<size_t>(p.n_tokens() * stride), kUntouched);
  for (int64_t t = 0; t < p.n_tokens(); t += tokens) {
    for (int64_t g = 0; g < n_groups; g += groups) {
      const int64_t n = std::min(groups, n_groups - g);
      const int64_t row = g * kernel.row_group;
      kernel.multiply(packed.data() + kernel.packed_bytes(p.cols) * static_cast<size_t>(g), n,
                      std::min(n * kernel.row_group, p.rows - row), p.cols,
                      prepared.data() + kernel.activation_bytes(p.cols) * static_cast<size_t>(t),
                      std::min(tokens, p.n_tokens() - t), y.data() + t * stride + row, stride);
    }
  }
  std::vector<float> dense;
  for (int64_t t = 0; t < p.n_tokens(); ++t) {
    const float* row = y.data() + t * stride;
    dense.insert(dense.end(), row, row + p.rows);
    for (int64_t i = p.rows; i < stride; ++i) EXPECT_EQ(row[i], kUntouched) << kernel.name;
  }
  return dense;
}

std::vector<float> run(const MatmulKernel& kernel, const Product& p) {
  return run(kernel, p, p.n_tokens(), p.rows);
}

// The product of the definition, and sum_j |w_ij x_j| beside it.
struct Definition {
  std::vector<float> y;
  std::vector<double> l1;
};

Definition define(const Product& p, Compute compute) {
  const MatmulKernel& ref = *find_matmul(p.type, compute, Isa::kRef);
  const auto prepared = prepare(ref, p);  // the values that the rounded activations stand for
  std::vector<float> w(static_cast<size_t>(p.rows * p.cols));
  info(p.type).decode(p.weights.data(), w.data(), w.size());
  Definition definition{run(ref, p), {}};
  for (int64_t t = 0; t < p.n_tokens(); ++t) {
    const auto* x = reinterpret_cast<const float*>(prepared.data() + ref.activation_bytes(p.cols) *
                                                                         static_cast<size_t>(t));
    for (int64_t r = 0; r < p.rows; ++r) {
      double sum = 0;
      for (int64_t k = 0; k < p.cols; ++k)
        sum += std::fabs(static_cast<double>(w[static_cast<size_t>(r * p.cols + k)]) * x[k]);
      definition.l1.push_back(sum);
    }
  }
  return definition;
}

void expect_agreement(const MatmulKernel& kernel, Product p) {
  if (kernel.name == "bf16/avx512") {  // its activations are BF16 too
    for (float& x : p.x) x = bf16_to_f32(f32_to_bf16(x));
  }
  const Definition want = define(p, kernel.compute);
  const auto got = run(kernel, p);
  const double vanishing = static_cast<double>(p.cols) * FLT_MIN;  // vdpbf16ps flushes subnormals
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::fabs(static_cast<double>(got[i]) - want.y[i]), 1e-5 * want.l1[i] + vanishing)
        << kernel.name << " [" << p.rows << ", " << p.cols << "], " << p.n_tokens()
        << " tokens: token " << i / static_cast<size_t>(p.rows) << " row "
        << i % static_cast<size_t>(p.rows) << ": " << got[i] << " for " << want.y[i];
  }
}

template <class F>
void for_each_variant(F body) {
  for (const MatmulKernel& kernel : matmul_kernels()) {
    if (kernel.isa != Isa::kRef && supported(kernel.isa)) body(kernel);
  }
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Matmul, EveryVariantAgreesWithTheDefinition) {
  for_each_variant([](const MatmulKernel& kernel) {
    const int64_t block = info(kernel.dtype).block, group = kernel.row_group;
    for (int64_t rows : {int64_t{1}, group - 1, group, 2 * group + 3}) {
      for (int64_t cols : {block, 3 * block, block > 32 ? 6 * block : 576 / block * block}) {
        for (int64_t n_tokens : {1, 2, 3, 4, 5, 7, 35}) {
          if (rows > 0)
            expect_agreement(kernel, random_product(kernel.dtype, rows, cols, n_tokens));
        }
      }
    }
  });
}

TEST(Matmul, RealSizesAgreeWithTheDefinition) {
  for_each_variant([](const MatmulKernel& kernel) {
    expect_agreement(kernel, random_product(kernel.dtype, 40, 8960, 6));
  });
}

TEST(Matmul, ATokenNeverDependsOnTheBatchOrTheSplit) {
  for_each_variant([](const MatmulKernel& kernel) {
    const Product p = random_product(kernel.dtype, 5 * kernel.row_group + 1, 768, 64);
    const auto alone = run(kernel, p, 1, 1);
    for (int64_t tokens : {1, 2, 3, 4, 5, 8, 31, 64}) {
      for (int64_t groups : {1, 2, 3, 6}) {
        EXPECT_TRUE(same_bits(alone, run(kernel, p, tokens, groups)))
            << kernel.name << ": " << tokens << " tokens, " << groups << " row groups at a time";
      }
    }
  });
}

TEST(Matmul, TheInt8MatrixProductChangesNoBit) {
  if (!supported(Isa::kI8mm)) GTEST_SKIP() << "no i8mm here";
  for_each_variant([](const MatmulKernel& kernel) {
    if (kernel.isa != Isa::kI8mm) return;
    const Product p = random_product(kernel.dtype, 2 * kernel.row_group + 3, 768, 7);
    const MatmulKernel& without = *find_matmul(kernel.dtype, kernel.compute, Isa::kNeon);
    EXPECT_TRUE(same_bits(run(without, p), run(kernel, p))) << kernel.name;
  });
}

TEST(Matmul, NothingSaturatesAtTheExtremes) {
  for_each_variant([](const MatmulKernel& kernel) {
    for (Fill fill : {Fill::kLargest, Fill::kSmallest}) {
      for (float sign : {1.f, -1.f}) {
        Product p{kernel.dtype, kernel.row_group, 512, {}, std::vector<float>(6 * 512, sign)};
        p.weights = random_matrix(kernel.dtype, p.rows, p.cols, 3, fill);
        for (size_t i = 512; i < 1024; ++i) p.x[i] *= i % 2 ? 1.f : -1.f;
        for (size_t i = 1024; i < 1536; ++i) p.x[i] *= i / 2 % 2 ? 1.f : -1.f;
        expect_agreement(kernel, p);
      }
    }
  });
}

TEST(Matmul, ZerosAndScalesOfAnySize) {
  for_each_variant([](const MatmulKernel& kernel) {
    const bool plain = info(kernel.dtype).block == 1;
    for (float scale : {0.f, 1e-7f, 100.f}) {
      for (float deviation : {0.f, 1e-20f, 1e20f}) {
        if (scale == 0 && kernel.dtype == DType::kMXFP4) continue;
        Product p{kernel.dtype, 3, 512, {}, random_activations(2 * 512, 5, deviation)};
        p.weights = random_matrix(kernel.dtype, p.rows, p.cols, 3, Fill::kRandom, scale);
        p.x[0] = -0.f;
        if (plain && scale == 0) p.weights[1] = std::byte{0x80};
        expect_agreement(kernel, p);
      }
    }
  });
}

TEST(Matmul, ActivationsTooSmallToScaleAreZero) {
  for_each_variant([](const MatmulKernel& kernel) {
    if (kernel.compute != Compute::kFast) return;
    Product p = random_product(kernel.dtype, 8, 512, 2);
    for (float& x : p.x) x *= 1e-38f;
    expect_agreement(kernel, p);
  });
}

TEST(Matmul, PackedWeightsStayAsCompactAsTheFile) {
  for_each_variant([](const MatmulKernel& kernel) {
    for (int64_t cols : {768, 2048}) {
      const size_t file = *stored_bytes(kernel.dtype, static_cast<uint64_t>(kernel.row_group),
                                        static_cast<uint64_t>(cols));
      EXPECT_LE(static_cast<double>(kernel.packed_bytes(cols)), 1.1 * static_cast<double>(file))
          << kernel.name;
      EXPECT_EQ(kernel.packed_bytes(cols) % 64, 0) << kernel.name;
      EXPECT_EQ(kernel.activation_bytes(cols) % 64, 0) << kernel.name;
    }
  });
}

TEST(Matmul, TheTableHasEveryWeightTypeForEveryInstructionSet) {
  std::set<std::string_view> names;
  for (const MatmulKernel& kernel : matmul_kernels())
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
  for (DType type : kWeightTypes) {
    for (Compute compute : {Compute::kFast, Compute::kF32}) {
      for (Isa isa : kIsas) {
        const MatmulKernel* kernel = find_matmul(type, compute, isa);
        ASSERT_NE(kernel, nullptr) << info(type).name << " on " << name(isa);
        EXPECT_EQ(kernel->dtype, type);
        EXPECT_EQ(kernel->compute, compute);
        EXPECT_TRUE(kernel->name.ends_with(name(kernel->isa))) << kernel->name;
      }
      EXPECT_EQ(find_matmul(type, compute, Isa::kRef)->isa, Isa::kRef);
      for (Isa isa : {Isa::kAvx2, Isa::kNeon}) {
        EXPECT_EQ(find_matmul(type, compute, isa)->isa, in_build(isa) ? isa : Isa::kRef)
            << info(type).name;
      }
    }
  }
  EXPECT_EQ(find_matmul(DType::kI32, Compute::kFast, Isa::kRef), nullptr);
}

}  // namespace
}  // namespace r1

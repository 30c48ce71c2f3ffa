// Law 1: the logits of a token depend on the weights and the tokens before it, bit for bit, and on
// nothing else: for every weight type, both arithmetics, every instruction set of this machine and
// every cache type.
#include <cstring>
#include <filesystem>
#include <numeric>

#include "model/replay.h"
#include "tensor/weight.h"
#include "tests/golden/golden.h"
#include "tests/golden/random_deepseek.h"

namespace r1 {
namespace {

constexpr int kTokens = 45;  // more than a page

std::vector<int32_t> random_ids(size_t n, uint64_t stream) {
  std::vector<int32_t> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>(40 * uniform(1, stream, i));
  return ids;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Of an emulated processor (CMakeLists.txt) the emulated sets alone: others have run where they are
// native.
constexpr std::string_view kEmulated = R1_EMULATED;
std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const Isa isa : supported_isas()) {
    if (kEmulated.empty() || kEmulated.find(name(isa)) != kEmulated.npos) all.push_back(isa);
  }
  return all;
}

struct Setting {
  DType weights, cache = DType::kF16;
  Compute compute = Compute::kFast;
  bool deepseek = false;  // else llama
};

class Law1 : public testing::TestWithParam<Setting> {
 protected:
  // Logits of the first sequence.
  static std::vector<float> run(const Model& model, Context& ctx,
                                const std::vector<std::vector<int32_t>>& sequences, int64_t chunk) {
    ReplayOptions options;
    options.kv_dtype = GetParam().cache;
    options.chunk = chunk;
    return std::move(must(replay(model, ctx, sequences, options))[0].logits);
  }

  // The last `n` logits rows when the tokens before them come from the cache of another sequence,
  // whose partly filled page was copied, and pages lie anywhere.
  static std::vector<float> run_with_prefix(const Model& model, Context& ctx,
                                            const std::vector<int32_t>& ids, int n) {
    KvPages kv = must(KvPages::create(model.kv_shape(GetParam().cache), 9));
    const int32_t shared = static_cast<int32_t>(ids.size()) - n;
    const std::vector<int32_t> first = {2, 8}, second = {7, 0};
    Batch prefix;
    prefix.tokens.assign(ids.begin(), ids.begin() + shared);
    prefix.parts = {{0, shared, 0, first}};
    model.forward(ctx, prefix, kv);
    kv.copy_page(2, 7);
    Batch rest;
    rest.tokens.assign(ids.begin() + shared, ids.end());
    rest.parts = {{0, n, shared, second}};
    rest.wanted.resize(static_cast<size_t>(n));
    std::iota(rest.wanted.begin(), rest.wanted.end(), 0);
    const Tensor logits = model.forward(ctx, rest, kv);
    return {logits.data(), logits.data() + logits.size()};
  }
};

TEST_P(Law1, LogitsDependOnWeightsAndEarlierTokensAlone) {
  const std::string folder = testing::TempDir() + "r1_law1_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string path =
      GetParam().deepseek
          ? write_random(RandomDeepSeek{.type = GetParam().weights}, folder + "/deepseek.gguf")
          : write_random_llama(folder, GetParam().weights, 1);
  const auto ids = random_ids(kTokens, 0);
  std::vector<std::vector<int32_t>> crowd = {ids};
  for (uint64_t i = 1; i < 64; ++i) crowd.push_back(random_ids(1 + i % 3, i));
  for (const Isa isa : isas()) {
    SCOPED_TRACE(name(isa));
    Context one(isa, 1), two(isa, 2);
    const auto model = load_model(path, GetParam().compute, one);
    const auto want = run(*model, one, {ids}, kTokens);
    for (const float x : want) ASSERT_TRUE(std::isfinite(x));
    EXPECT_NE(want[0], want[1]);
    EXPECT_TRUE(same_bits(want, run(*model, two, {ids}, kTokens))) << "two threads";
    for (const int64_t chunk : {1, 3, 32, 33}) {
      EXPECT_TRUE(same_bits(want, run(*model, chunk % 2 ? two : one, {ids}, chunk)))
          << "chunks of " << chunk;
    }
    EXPECT_TRUE(same_bits(want, run(*model, two, crowd, 1))) << "64 sequences";
    const auto last = run_with_prefix(*model, one, ids, 21);
    EXPECT_TRUE(same_bits({want.end() - std::ssize(last), want.end()}, last))
        << "a cached prefix on other pages";
    const auto again = load_model(path, GetParam().compute, two);
    EXPECT_TRUE(same_bits(want, run(*again, one, {ids}, kTokens))) << "packed by two threads";
  }
  std::filesystem::remove_all(folder);
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const DTypeInfo& t : all_dtypes()) {
    if (!Weight::kernel_for(t.type, Compute::kFast, Isa::kRef)) continue;
    for (const Compute compute : {Compute::kFast, Compute::kF32})
      all.push_back({t.type, DType::kF16, compute});
  }
  for (const DType cache : {DType::kF32, DType::kBF16, DType::kQ8_0})
    all.push_back({DType::kQ8_0, cache, Compute::kFast});
  for (const DType type : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K}) {
    all.push_back({type, DType::kF16, Compute::kFast, true});
    if (kEmulated.empty() || type == DType::kQ8_0)  // half a minute each where it is emulated
      all.push_back({type, DType::kF16, Compute::kF32, true});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(, Law1, testing::ValuesIn(settings()), [](const auto& test) {
  const Setting& s = test.param;
  return fmt::format("{}{}_{}_cache_{}", s.deepseek ? "deepseek_" : "", r1::info(s.weights).name,
                     s.compute == Compute::kF32 ? "f32" : "fast", r1::info(s.cache).name);
});

}  // namespace
}  // namespace r1

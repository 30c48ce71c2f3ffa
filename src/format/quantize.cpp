#include "format/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "format/checkpoint.h"
#include "format/gguf_writer.h"

namespace r1 {
namespace {

constexpr uint64_t kSlabElements = 16 << 20;   // decoded, encoded and written at a time
constexpr uint64_t kRangeElements = 64 << 10;  // a thread's share: its F32 values stay in cache
constexpr size_t kGroup = 32;                  // weights whose importance is reckoned together
constexpr uint32_t kQuantizationVersion = 2;   // of ggml's block layouts

// Steps and offsets are F16, and so are the elements of F16 itself.
float largest(DType type) {
  switch (type) {
    case DType::kF32:
      return std::numeric_limits<float>::max();
    case DType::kBF16:
      return 0x1.fep127f;
    default:
      return 65504;
  }
}

// Index of the first value of magnitude above `limit` or NaN, else n.
size_t first_unfit(const float* values, size_t n, float limit) {
  size_t i = 0;
  while (i < n && std::fabs(values[i]) <= limit) ++i;
  return i;
}

Error unfit(const SourceTensor& t, DType type, int64_t element) {
  const int64_t row = element / t.cols(), col = element % t.cols();
  std::vector<float> values(static_cast<size_t>(t.cols()));
  t.read_rows(row, row + 1, values.data());
  const float value = values[static_cast<size_t>(col)];
  if (!std::isfinite(value)) {
    return error("{}: element {} (row {}, column {}) is {}: the checkpoint is damaged", t.name,
                 element, row, col, value);
  }
  return error("{}: element {} (row {}, column {}) is {}, {} holds at most {}: choose bf16 or f32",
               t.name, element, row, col, value, info(type).name, largest(type));
}

// How much the error of each of n weights counts: a large one, which moves the output most, up to
// several times a small one. Judged by perplexity; least squares alone clips the large ones.
void weigh(const float* values, size_t n, float* importance) {
  for (size_t group = 0; group < n; group += kGroup) {
    const size_t end = std::min(group + kGroup, n);
    float squares = 0;
    for (size_t i = group; i < end; ++i) squares += values[i] * values[i];
    const float rms = std::sqrt(squares / static_cast<float>(end - group));
    // Relative to the group, so that the products stay far from the ends of F32.
    for (size_t i = group; i < end; ++i)
      importance[i] = rms > 0 ? 1 + std::fabs(values[i]) / rms : 1;
  }
}

// Rows [begin, end) into `blocks` by all threads: encoded, or as they are where their type stays.
Result<void> encode_rows(const SourceTensor& t, DType type, int64_t begin, int64_t end,
                         ThreadPool& threads, std::byte* blocks) {
  const DTypeInfo& to = info(type);
  const int64_t cols = t.cols();
  const int64_t row_bytes = cols / to.block * to.block_bytes;
  const bool verbatim = t.verbatim() && t.stored->dtype == type;
  const float limit = verbatim ? std::numeric_limits<float>::max() : largest(type);
  std::atomic<int64_t> bad = std::numeric_limits<int64_t>::max();
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kRangeElements) / cols);
  threads.parallel_for(end - begin, grain, [&](int64_t from, int64_t until) {
    std::vector<float> values(static_cast<size_t>(std::min(grain, until - from) * cols));
    std::vector<float> importance(values.size());
    for (int64_t row = from; row < until; row += grain) {
      const int64_t stop = std::min(row + grain, until);
      const auto n = static_cast<size_t>((stop - row) * cols);
      t.read_rows(begin + row, begin + stop, values.data());
      if (const size_t i = first_unfit(values.data(), n, limit); i < n) {
        const int64_t element = (begin + row) * cols + static_cast<int64_t>(i);
        for (int64_t seen = bad; element < seen && !bad.compare_exchange_weak(seen, element);) {
        }
        return;
      }
      if (verbatim) {
        std::copy_n(t.stored->bytes.data() + (begin + row) * row_bytes, (stop - row) * row_bytes,
                    blocks + row * row_bytes);
      } else {
        weigh(values.data(), n, importance.data());
        to.encode(values.data(), blocks + row * row_bytes, n, importance.data());
      }
    }
  });
  if (bad != std::numeric_limits<int64_t>::max()) return unfit(t, type, bad);
  return {};
}

Result<void> write_tensor(const SourceTensor& t, DType type, ThreadPool& threads,
                          GgufWriter& writer, FunctionRef<void(double)> done) {
  const DTypeInfo& to = info(type);
  const int64_t rows = t.rows(), cols = t.cols();
  const int64_t slab = std::clamp<int64_t>(
      static_cast<int64_t>(kSlabElements) / std::max<int64_t>(cols, 1), 1, rows);
  std::vector<std::byte> blocks(static_cast<size_t>(slab * (cols / to.block * to.block_bytes)));
  for (int64_t row = 0; row < rows; row += slab) {
    const int64_t end = std::min(row + slab, rows);
    R1_DO(encode_rows(t, type, row, end, threads, blocks.data()));
    R1_DO(writer.write(std::span(blocks).first(
        static_cast<size_t>((end - row) * (cols / to.block * to.block_bytes)))));
    done(static_cast<double>(end) / static_cast<double>(rows));
  }
  return {};
}

}  // namespace

Result<QuantizeSummary> quantize(const WeightFile& in, const std::string& out, const Mix& mix,
                                 ThreadPool& threads, QuantizeProgress progress) {
  R1_TRY(Checkpoint checkpoint, read_checkpoint(in));
  const MixModel model{checkpoint.n_layers,
                       std::none_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                    [](const auto& t) { return t.name == "output.weight"; })};
  checkpoint.metadata.emplace_back("general.file_type", mix.file_type);
  if (info(mix.base).block > 1)
    checkpoint.metadata.emplace_back("general.quantization_version", kQuantizationVersion);

  QuantizeSummary summary;
  std::vector<GgufTensor> declared;
  uint64_t total = 0;
  for (const SourceTensor& t : checkpoint.tensors) {
    const TypeChoice choice = choose_type(mix, model, t.name, t.shape);
    declared.push_back({t.name, choice.type, t.shape});
    if (choice.type != choice.wanted)
      summary.fallbacks[{choice.wanted, choice.type}].push_back(t.name);
    const auto rows = static_cast<uint64_t>(t.rows()), cols = static_cast<uint64_t>(t.cols());
    const uint64_t bytes = stored_bytes(choice.type, rows, cols).value_or(0);
    auto& share = summary.types[choice.type];
    share.tensors += 1;
    share.bytes += bytes;
    summary.tensor_bytes += bytes;
    summary.parameters += rows * cols;
    if (t.stored) total += t.stored->bytes.size();
  }

  R1_TRY(auto writer, GgufWriter::create(out, checkpoint.metadata, declared));
  uint64_t before = 0;
  for (size_t i = 0; i < declared.size(); ++i) {
    const SourceTensor& t = checkpoint.tensors[i];
    const uint64_t bytes = t.stored ? t.stored->bytes.size() : 0;
    R1_DO(write_tensor(t, declared[i].dtype, threads, writer, [&](double part) {
      progress(before + static_cast<uint64_t>(part * static_cast<double>(bytes)), total);
    }));
    before += bytes;
  }
  R1_TRY(summary.file_bytes, writer.finish());
  return summary;
}

}  // namespace r1

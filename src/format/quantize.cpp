#include "format/quantize.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "format/checkpoint.h"
#include "format/gguf_writer.h"
#include "format/importance.h"

namespace r1 {
namespace {

constexpr uint64_t kSlabElements = 16 << 20;   // decoded, encoded and written at a time
constexpr uint64_t kRangeElements = 64 << 10;  // a thread's share: its F32 values stay in cache
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

// A tensor on its way to its new type.
struct Rewrite {
  const SourceTensor& tensor;
  DType type;
  std::vector<float> norm{};  // the weights of the norm before it, or empty: importance.h

  const TensorInfo* verbatim() const {
    const TensorInfo* stored = tensor.verbatim();
    return stored && stored->dtype == type ? stored : nullptr;
  }
  int64_t row_bytes() const { return tensor.cols() / info(type).block * info(type).block_bytes; }
};

// Rows [begin, end) into `blocks` by all threads: encoded, or as they are where their type stays.
Result<void> encode_rows(const Rewrite& to, int64_t begin, int64_t end, ThreadPool& threads,
                         std::byte* blocks) {
  const int64_t cols = to.tensor.cols(), row_bytes = to.row_bytes();
  const float limit = to.verbatim() ? std::numeric_limits<float>::max() : largest(to.type);
  std::atomic<int64_t> bad = std::numeric_limits<int64_t>::max();
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kRangeElements) / cols);
  threads.parallel_for(end - begin, grain, [&](int64_t from, int64_t until) {
    std::vector<float> values(static_cast<size_t>(std::min(grain, until - from) * cols));
    std::vector<float> importance(values.size());
    for (int64_t row = from; row < until; row += grain) {
      const int64_t stop = std::min(row + grain, until);
      const auto n = static_cast<size_t>((stop - row) * cols);
      to.tensor.read_rows(begin + row, begin + stop, values.data());
      if (const size_t i = first_unfit(values.data(), n, limit); i < n) {
        const int64_t element = (begin + row) * cols + static_cast<int64_t>(i);
        for (int64_t seen = bad; element < seen && !bad.compare_exchange_weak(seen, element);) {
        }
        return;
      }
      std::byte* out = blocks + row * row_bytes;
      if (const TensorInfo* stored = to.verbatim()) {
        const std::byte* in = stored->bytes.data() + (begin + row) * row_bytes;
        std::copy_n(in, (stop - row) * row_bytes, out);
      } else {
        weigh(std::span(values).first(n), to.norm, static_cast<size_t>(cols), importance.data());
        info(to.type).encode(values.data(), out, n, importance.data());
      }
    }
  });
  if (bad != std::numeric_limits<int64_t>::max()) return unfit(to.tensor, to.type, bad);
  return {};
}

Result<void> write_tensor(const Rewrite& to, ThreadPool& threads, GgufWriter& writer,
                          FunctionRef<void(double)> done) {
  const int64_t rows = to.tensor.rows();
  const int64_t slab =
      std::clamp<int64_t>(static_cast<int64_t>(kSlabElements) / to.tensor.cols(), 1, rows);
  std::vector<std::byte> blocks(static_cast<size_t>(slab * to.row_bytes()));
  for (int64_t row = 0; row < rows; row += slab) {
    const int64_t end = std::min(row + slab, rows);
    R1_DO(encode_rows(to, row, end, threads, blocks.data()));
    const auto written = static_cast<size_t>((end - row) * to.row_bytes());
    R1_DO(writer.write(std::span(blocks).first(written)));
    done(static_cast<double>(end) / static_cast<double>(rows));
  }
  return {};
}

// The weights of the norm before a tensor, where there is one as wide as its rows.
std::vector<float> norm_before(const Checkpoint& checkpoint, const SourceTensor& t, bool tied) {
  const std::string name = input_norm(t.name, tied);
  const auto norm = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                 [&](const SourceTensor& other) { return other.name == name; });
  if (norm == checkpoint.tensors.end() || norm->shape != std::vector{t.cols()}) return {};
  std::vector<float> weights(static_cast<size_t>(t.cols()));
  norm->read_rows(0, 1, weights.data());
  return weights;
}

}  // namespace

Result<QuantizeSummary> quantize(const WeightFile& in, const std::string& out, const Mix& mix,
                                 ThreadPool& threads, QuantizeProgress progress) {
  R1_TRY(Checkpoint checkpoint, read_checkpoint(in));
  const bool tied = std::none_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                 [](const auto& t) { return t.name == "output.weight"; });
  checkpoint.metadata.emplace_back("general.file_type", mix.file_type);
  if (info(mix.base).block > 1) {
    checkpoint.metadata.emplace_back("general.quantization_version", kQuantizationVersion);
  }

  QuantizeSummary summary;
  std::vector<GgufTensor> declared;
  for (const SourceTensor& t : checkpoint.tensors) {
    const TypeChoice choice =
        choose_type(mix, {checkpoint.n_layers, tied, checkpoint.gqa}, t.name, t.shape);
    declared.push_back({t.name, choice.type, t.shape});
    if (choice.type != choice.wanted) {
      summary.fallbacks[{choice.wanted, choice.type}].push_back(t.name);
    }
    const auto rows = static_cast<uint64_t>(t.rows()), cols = static_cast<uint64_t>(t.cols());
    const uint64_t bytes = stored_bytes(choice.type, rows, cols).value_or(0);
    auto& share = summary.types[choice.type];
    share.tensors += 1;
    share.bytes += bytes;
    summary.tensor_bytes += bytes;
    summary.parameters += rows * cols;
  }

  R1_TRY(auto writer, GgufWriter::create(out, checkpoint.metadata, declared));
  uint64_t before = 0;
  for (size_t i = 0; i < declared.size(); ++i) {
    const SourceTensor& t = checkpoint.tensors[i];
    const Rewrite to{t, declared[i].dtype, norm_before(checkpoint, t, tied)};
    const auto elements = static_cast<uint64_t>(t.rows() * t.cols());
    R1_DO(write_tensor(to, threads, writer, [&](double part) {
      const double done = part * static_cast<double>(elements);
      progress(before + static_cast<uint64_t>(done), summary.parameters);
    }));
    for (const StoredTensor& part : t.parts) in.drop_pages(*part.tensor);
    before += elements;
  }
  R1_TRY(summary.file_bytes, writer.finish());
  return summary;
}

}  // namespace r1

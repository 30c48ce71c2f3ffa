#include "format/synth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>

#include "base/rng.h"
#include "format/gguf_writer.h"

namespace r1 {
namespace {

constexpr double kDeviation = 0.02;
constexpr size_t kChunk = 256;  // values; a whole number of blocks of every type
constexpr size_t kPoolChunks = 1024;
constexpr size_t kSlabChunks = 64 << 10;
constexpr uint32_t kQuantizationVersion = 2;  // of ggml's block layouts

std::vector<GgufTensor> list_tensors(const ModelShape& s, const Mix& mix) {
  std::vector<GgufTensor> tensors;
  const MixModel model{s.n_layers, s.tied, gqa(s)};
  for (ShapeTensor& t : shape_tensors(s)) {
    const DType type = choose_type(mix, model, t.name, t.shape).type;
    tensors.push_back({std::move(t.name), type, std::move(t.shape)});
  }
  return tensors;
}

uint64_t elements(const GgufTensor& t) {
  uint64_t n = 1;
  for (const int64_t size : t.shape) n *= static_cast<uint64_t>(size);
  return n;
}

uint64_t bytes_of(const GgufTensor& t) { return stored_bytes(t.dtype, 1, elements(t)).value(); }

std::string utf8(uint32_t c) {  // below U+0800
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

// The 256 bytes as GPT-2 writes them (printable ones as themselves, the rest from U+0100 on), an
// end token, padding.
void add_byte_tokenizer(int64_t vocab_size, GgufMetadata& metadata) {
  enum Kind : int32_t { kNormal = 1, kControl = 3, kUnused = 5 };
  std::vector<std::string> tokens;
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    tokens.push_back(utf8(itself ? b : next++));
  }
  std::vector<int32_t> kinds(tokens.size(), kNormal);
  const auto end = static_cast<uint32_t>(tokens.size());
  tokens.emplace_back("<|endoftext|>");
  kinds.push_back(kControl);
  for (auto i = static_cast<int64_t>(tokens.size()); i < vocab_size; ++i) {
    tokens.push_back(fmt::format("[PAD{}]", i));
    kinds.push_back(kUnused);
  }
  metadata.emplace_back("tokenizer.ggml.model", std::string("gpt2"));
  metadata.emplace_back("tokenizer.ggml.pre", std::string("default"));
  metadata.emplace_back("tokenizer.ggml.tokens", GgufArray{std::move(tokens)});
  metadata.emplace_back("tokenizer.ggml.token_type", GgufArray{std::move(kinds)});
  metadata.emplace_back("tokenizer.ggml.merges", GgufArray{std::vector<std::string>()});
  metadata.emplace_back("tokenizer.ggml.bos_token_id", end);
  metadata.emplace_back("tokenizer.ggml.eos_token_id", end);
  metadata.emplace_back("tokenizer.ggml.add_bos_token", false);
}

GgufMetadata metadata_of(const ModelShape& s, const Mix& mix) {
  GgufMetadata metadata = {
      {"general.architecture", s.architecture},
      {"general.name", fmt::format("{} with random weights", s.name)},
      {"general.file_type", mix.file_type},
      {"general.quantization_version", kQuantizationVersion},
  };
  for (auto& kv : shape_metadata(s)) metadata.push_back(std::move(kv));
  if (s.deepseek) {
    const std::string scaling = s.architecture + ".rope.scaling.";
    metadata.emplace_back(scaling + "type", std::string("yarn"));
    metadata.emplace_back(scaling + "factor", 40.0f);
    metadata.emplace_back(scaling + "original_context_length", 4096u);
    metadata.emplace_back(scaling + "yarn_log_multiplier", 0.1f);
  }
  add_byte_tokenizer(s.vocab_size, metadata);
  return metadata;
}

// Llama 3.1's divisor of each rotary frequency, [head_dim / 2].
std::vector<float> llama3_divisors(const ModelShape& s) {
  constexpr double kFactor = 8, kLow = 1, kHigh = 4, kOriginal = 8192;
  std::vector<float> divisors;
  for (int64_t i = 0; i < s.head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(s.head_dim);
    const double turns = kOriginal / (2 * std::numbers::pi * std::pow(s.rope_theta, exponent));
    const double t = std::clamp((turns - kLow) / (kHigh - kLow), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - t) / kFactor + t)));
  }
  return divisors;
}

// What is not random: norms and rope divisors, both F32.
std::optional<std::vector<float>> fixed_values(const ModelShape& shape, const GgufTensor& t) {
  if (t.name == "rope_freqs.weight") return llama3_divisors(shape);
  if (t.name.ends_with("norm.weight")) return std::vector<float>(elements(t), 1.0f);
  return std::nullopt;
}

// kPoolChunks chunks of random values, in each type they are asked for.
class Pool {
 public:
  Pool(uint64_t seed, ThreadPool& threads) : threads_(threads), values_(kPoolChunks * kChunk) {
    threads.parallel_for(
        static_cast<int64_t>(values_.size()), kChunk, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const double draw = normal(seed, 0, static_cast<uint64_t>(i));
            values_[static_cast<size_t>(i)] = static_cast<float>(kDeviation * draw);
          }
        });
  }

  const std::vector<std::byte>& encoded(DType type) {
    auto& blocks = blocks_[type];
    if (!blocks.empty()) return blocks;
    const DTypeInfo& t = info(type);
    const size_t bytes = chunk_bytes(type);
    blocks.resize(kPoolChunks * bytes);
    threads_.parallel_for(kPoolChunks, 16, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        t.encode(&values_[i * kChunk], &blocks[i * bytes], kChunk, nullptr);
      }
    });
    return blocks;
  }

  static size_t chunk_bytes(DType type) {
    return kChunk / static_cast<size_t>(info(type).block) *
           static_cast<size_t>(info(type).block_bytes);
  }

 private:
  ThreadPool& threads_;
  std::vector<float> values_;
  std::map<DType, std::vector<std::byte>> blocks_;
};

// Which chunk of the pool stands at `chunk` of `tensor`.
size_t choose_chunk(uint64_t seed, uint32_t tensor, uint64_t chunk) {
  const auto r =
      philox4x32({static_cast<uint32_t>(chunk), static_cast<uint32_t>(chunk >> 32), tensor, 1},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return r[0] % kPoolChunks;
}

}  // namespace

uint64_t synth_bytes(const ModelShape& shape, const Mix& mix) {
  uint64_t total = 0;
  for (const GgufTensor& t : list_tensors(shape, mix)) total += bytes_of(t);
  return total;
}

Result<uint64_t> write_synthetic(const ModelShape& shape, const Mix& mix, uint64_t seed,
                                 const std::string& path, ThreadPool& threads,
                                 FunctionRef<void(uint64_t, uint64_t)> progress) {
  const std::vector<GgufTensor> tensors = list_tensors(shape, mix);
  const uint64_t total = synth_bytes(shape, mix);
  R1_TRY(auto writer, GgufWriter::create(path, metadata_of(shape, mix), tensors));
  Pool pool(seed, threads);
  uint64_t done = 0;
  const auto write = [&](std::span<const std::byte> bytes) -> Result<void> {
    R1_DO(writer.write(bytes));
    progress(done += bytes.size(), total);
    return {};
  };
  for (uint32_t index = 0; index < tensors.size(); ++index) {
    const GgufTensor& t = tensors[index];
    if (const auto values = fixed_values(shape, t)) {
      R1_DO(write(std::as_bytes(std::span(*values))));
      continue;
    }
    const auto& blocks = pool.encoded(t.dtype);
    const size_t chunk_bytes = Pool::chunk_bytes(t.dtype);
    const uint64_t size = bytes_of(t), chunks = (size + chunk_bytes - 1) / chunk_bytes;
    std::vector<std::byte> slab(std::min<uint64_t>(chunks, kSlabChunks) * chunk_bytes);
    for (uint64_t first = 0; first < chunks; first += kSlabChunks) {
      const uint64_t n = std::min<uint64_t>(kSlabChunks, chunks - first);
      threads.parallel_for(static_cast<int64_t>(n), 256, [&](int64_t begin, int64_t end) {
        for (auto i = static_cast<uint64_t>(begin); i < static_cast<uint64_t>(end); ++i) {
          std::copy_n(&blocks[choose_chunk(seed, index, first + i) * chunk_bytes], chunk_bytes,
                      &slab[i * chunk_bytes]);
        }
      });
      R1_DO(write(
          std::span(slab).first(std::min<uint64_t>(n * chunk_bytes, size - first * chunk_bytes))));
    }
  }
  return writer.finish();
}

}  // namespace r1

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

// clang-format off
constexpr std::array kShapes = {
    //          name                    arch     layers  dim heads kv  hd  inter   vocab    theta   eps   context  tied   llama3
    SynthShape{"tiny",                  "llama",  2,  256,  4, 2,  64,   512,    512,   10000, 1e-5,   2048, true,  false},
    SynthShape{"smollm2-135m",          "llama", 30,  576,  9, 3,  64,  1536,  49152,  100000, 1e-5,   8192, true,  false},
    SynthShape{"r1-distill-qwen-1.5b",  "qwen2", 28, 1536, 12, 2, 128,  8960, 151936,   10000, 1e-6, 131072, false, false},
    SynthShape{"r1-distill-qwen-7b",    "qwen2", 28, 3584, 28, 4, 128, 18944, 152064,   10000, 1e-6, 131072, false, false},
    SynthShape{"r1-distill-llama-8b",   "llama", 32, 4096, 32, 8, 128, 14336, 128256,  500000, 1e-5, 131072, false, true},
    SynthShape{"r1-distill-qwen-14b",   "qwen2", 48, 5120, 40, 8, 128, 13824, 152064, 1000000, 1e-5, 131072, false, false},
    SynthShape{"r1-distill-qwen-32b",   "qwen2", 64, 5120, 40, 8, 128, 27648, 152064, 1000000, 1e-5, 131072, false, false},
    SynthShape{"r1-distill-llama-70b",  "llama", 80, 8192, 64, 8, 128, 28672, 128256,  500000, 1e-5, 131072, false, true},
};
// clang-format on

constexpr double kDeviation = 0.02;
constexpr size_t kChunk = 256;  // values; a whole number of blocks of every type
constexpr size_t kPoolChunks = 1024;
constexpr size_t kSlabChunks = 64 << 10;
constexpr uint32_t kQuantizationVersion = 2;  // of ggml's block layouts

std::vector<GgufTensor> list_tensors(const SynthShape& s, const Mix& mix) {
  std::vector<GgufTensor> tensors;
  const MixModel model{s.n_layers, s.tied};
  const auto add = [&](std::string name, std::vector<int64_t> shape) {
    const DType type = choose_type(mix, model, name, shape).type;
    tensors.push_back({std::move(name), type, std::move(shape)});
  };
  const int64_t q = s.n_heads * s.head_dim, kv = s.n_kv_heads * s.head_dim;
  add("token_embd.weight", {s.vocab_size, s.dim});
  if (s.llama3_rope) add("rope_freqs.weight", {s.head_dim / 2});
  for (int64_t i = 0; i < s.n_layers; ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    add(block + "attn_norm.weight", {s.dim});
    add(block + "attn_q.weight", {q, s.dim});
    add(block + "attn_k.weight", {kv, s.dim});
    add(block + "attn_v.weight", {kv, s.dim});
    add(block + "attn_output.weight", {s.dim, q});
    if (s.architecture == "qwen2") {
      add(block + "attn_q.bias", {q});
      add(block + "attn_k.bias", {kv});
      add(block + "attn_v.bias", {kv});
    }
    add(block + "ffn_norm.weight", {s.dim});
    add(block + "ffn_gate.weight", {s.inter_dim, s.dim});
    add(block + "ffn_up.weight", {s.inter_dim, s.dim});
    add(block + "ffn_down.weight", {s.dim, s.inter_dim});
  }
  add("output_norm.weight", {s.dim});
  if (!s.tied) add("output.weight", {s.vocab_size, s.dim});
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

GgufMetadata metadata_of(const SynthShape& s, const Mix& mix) {
  const std::string a = std::string(s.architecture) + ".";
  const auto whole = [](int64_t n) { return static_cast<uint32_t>(n); };
  GgufMetadata metadata = {
      {"general.architecture", std::string(s.architecture)},
      {"general.name", fmt::format("{} with random weights", s.name)},
      {"general.file_type", mix.file_type},
      {"general.quantization_version", kQuantizationVersion},
      {a + "block_count", whole(s.n_layers)},
      {a + "context_length", whole(s.context_length)},
      {a + "embedding_length", whole(s.dim)},
      {a + "feed_forward_length", whole(s.inter_dim)},
      {a + "attention.head_count", whole(s.n_heads)},
      {a + "attention.head_count_kv", whole(s.n_kv_heads)},
      {a + "attention.layer_norm_rms_epsilon", static_cast<float>(s.norm_eps)},
      {a + "rope.freq_base", static_cast<float>(s.rope_theta)},
      {a + "rope.dimension_count", whole(s.head_dim)},
      {a + "vocab_size", whole(s.vocab_size)},
  };
  add_byte_tokenizer(s.vocab_size, metadata);
  return metadata;
}

// Llama 3.1's divisor of each rotary frequency, [head_dim / 2].
std::vector<float> llama3_divisors(const SynthShape& s) {
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
std::optional<std::vector<float>> fixed_values(const SynthShape& shape, const GgufTensor& t) {
  if (t.name == "rope_freqs.weight") return llama3_divisors(shape);
  if (t.name.ends_with("_norm.weight")) return std::vector<float>(elements(t), 1.0f);
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

std::span<const SynthShape> synth_shapes() { return kShapes; }

Result<const SynthShape*> find_synth_shape(std::string_view name) {
  std::string known;
  for (const SynthShape& shape : kShapes) {
    if (shape.name == name) return &shape;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", shape.name);
  }
  return error("no shape '{}': the shapes are {}", name, known);
}

uint64_t synth_bytes(const SynthShape& shape, const Mix& mix) {
  uint64_t total = 0;
  for (const GgufTensor& t : list_tensors(shape, mix)) total += bytes_of(t);
  return total;
}

Result<uint64_t> write_synthetic(const SynthShape& shape, const Mix& mix, uint64_t seed,
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

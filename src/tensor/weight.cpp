#include "tensor/weight.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/units.h"

namespace r1 {
namespace {

// x [n, m] -> [m, n].
Tensor transposed(Context& ctx, const Tensor& x) {
  Tensor y = ctx.tensor(x.cols(), x.rows());
  constexpr int64_t kTile = 16;
  ctx.parallel(x.cols(), kTile, [&](int64_t begin, int64_t end) {
    for (int64_t i0 = 0; i0 < x.rows(); i0 += kTile) {
      for (int64_t j = begin; j < end; ++j) {
        for (int64_t i = i0; i < std::min(i0 + kTile, x.rows()); ++i)
          y.data()[j * x.rows() + i] = x.data()[i * x.cols() + j];
      }
    }
  });
  return y;
}

constexpr ptrdiff_t kGiveBack = 1 << 20;  // bytes read before their pages are dropped

// Drops the pages of a read-only file mapping that hold [begin, end): they come back from the file,
// or from the system's cache of it, if touched again.
void give_back(const std::byte* begin, const std::byte* end) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin) / page * page;
  ::madvise(reinterpret_cast<void*>(first), reinterpret_cast<uintptr_t>(end) - first,
            MADV_DONTNEED);
}

std::shared_ptr<std::byte> aligned_memory(uint64_t bytes) {
  constexpr std::align_val_t kAlign{64};
  return {static_cast<std::byte*>(::operator new(bytes, kAlign)),
          [](std::byte* p) { ::operator delete(p, kAlign); }};
}

}  // namespace

const std::byte* StoredMatrix::row_bytes(int64_t row) const {
  return bytes + static_cast<size_t>(row) * *stored_bytes(dtype, 1, static_cast<uint64_t>(cols));
}

void StoredMatrix::decode_row(int64_t row, float* values) const {
  info(dtype).decode(row_bytes(row), values, static_cast<size_t>(cols));
  if (scales.empty()) return;
  const float* scale =
      &scales[static_cast<size_t>(row / scale_rows * ((cols + scale_cols - 1) / scale_cols))];
  for (int64_t j = 0; j < cols; ++j) values[j] *= scale[j / scale_cols];
}

StoredMatrix StoredMatrix::slice(int64_t first, int64_t n) const {
  R1_CHECK(scales.empty() && first >= 0 && n >= 0 && first + n <= rows);
  StoredMatrix part = *this;
  part.rows = n;
  part.bytes = row_bytes(first);
  return part;
}

const MatmulKernel* Weight::kernel_for(DType dtype, Compute compute, Isa isa) {
  return find_matmul(dtype == DType::kF8E4M3 ? DType::kF32 : dtype, compute, isa);
}

uint64_t Weight::packed_bytes(const MatmulKernel& kernel, int64_t rows, int64_t cols) {
  return static_cast<uint64_t>((rows + kernel.row_group - 1) / kernel.row_group) *
         kernel.packed_bytes(cols);
}

Weight Weight::pack(Context& ctx, const StoredMatrix& stored, const MatmulKernel& kernel,
                    std::shared_ptr<std::byte> memory) {
  Weight w;
  w.kernel_ = &kernel;
  w.rows_ = stored.rows;
  w.cols_ = stored.cols;
  w.packed_ = memory;
  const bool decoded = stored.dtype != kernel.dtype;
  R1_CHECK(!decoded || kernel.dtype == DType::kF32);
  ctx.parallel(w.n_groups(), 1, [&](int64_t begin, int64_t end) {
    std::vector<float> values(decoded ? static_cast<size_t>(kernel.row_group * stored.cols) : 0);
    const std::byte* kept = stored.row_bytes(begin * kernel.row_group);
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = g * kernel.row_group;
      const int n = static_cast<int>(std::min<int64_t>(kernel.row_group, stored.rows - first));
      for (int i = 0; decoded && i < n; ++i)
        stored.decode_row(first + i, values.data() + i * stored.cols);
      const std::byte* rows =
          decoded ? reinterpret_cast<const std::byte*>(values.data()) : stored.row_bytes(first);
      kernel.pack(rows, n, stored.cols, memory.get() + static_cast<size_t>(g) * w.group_bytes());
      const std::byte* read = stored.row_bytes(first + n);
      if (stored.mapped && read - kept >= kGiveBack) {
        give_back(kept, read);
        kept = read;
      }
    }
  });
  // What is left: touching a page maps those around it too.
  if (stored.mapped) give_back(stored.bytes, stored.row_bytes(stored.rows));
  return w;
}

Result<uint64_t> pack_all(Context& ctx, Compute compute, std::span<const Packing> matrices) {
  const auto kernel = [&](const Packing& p) {
    return Weight::kernel_for(p.from->dtype, compute, ctx.isa());
  };
  const auto bytes = [&](const Packing& p) {
    return (Weight::packed_bytes(*kernel(p), p.from->rows, p.from->cols) + 63) / 64 * 64;
  };
  uint64_t total = 0;
  for (const Packing& p : matrices) {
    if (!kernel(p)) return error("no kernel multiplies type {}", info(p.from->dtype).name);
    total += bytes(p);
  }
  R1_TRY(const std::shared_ptr<std::byte> memory, reserve_pages(total));
  uint64_t at = 0;
  for (const Packing& p : matrices) {
    *p.to = Weight::pack(ctx, *p.from, *kernel(p), {memory, memory.get() + at});
    at += bytes(p);
  }
  return total;
}

struct Weight::Learning {
  Tensor values;
  bool turned;
  std::shared_ptr<std::byte> memory;  // of the packed weight
};

Weight Weight::trainable(Context& ctx, const Tensor& values, DType dtype, bool turned) {
  Weight w;
  w.kernel_ = kernel_for(dtype, dtype == DType::kF32 ? Compute::kF32 : Compute::kFast, ctx.isa());
  w.rows_ = turned ? values.cols() : values.rows();
  w.cols_ = turned ? values.rows() : values.cols();
  w.learning_ = std::make_shared<Learning>();
  w.learning_->values = values;
  w.learning_->turned = turned;
  w.learning_->memory = aligned_memory(packed_bytes(*w.kernel_, w.rows_, w.cols_));
  w.packed_ = w.learning_->memory;
  w.refresh(ctx);
  return w;
}

void Weight::refresh(Context& ctx) {
  const Learning& l = *learning_;
  const DTypeInfo& type = info(kernel_->dtype);
  const Tensor values = l.turned ? transposed(ctx, l.values) : l.values;
  StoredMatrix stored{.dtype = type.type,
                      .rows = rows_,
                      .cols = cols_,
                      .bytes = reinterpret_cast<const std::byte*>(values.data())};
  std::shared_ptr<std::byte> rounded;
  if (type.type != DType::kF32) {
    const auto n = static_cast<size_t>(values.size());
    rounded = ctx.scratch(*stored_bytes(type.type, 1, n));
    type.encode(values.data(), rounded.get(), n, nullptr);
    stored.bytes = rounded.get();
  }
  pack(ctx, stored, *kernel_, l.memory);
}

struct Weight::Base {
  StoredMatrix stored;
  Lora lora;
};

void Weight::adapt(const StoredMatrix& stored, Lora lora) {
  R1_CHECK(!learns() && stored.rows == rows_ && stored.cols == cols_);
  R1_CHECK(!lora.weights || (lora.a()->cols() == cols_ && lora.b()->rows() == rows_ &&
                             lora.a()->rows() == lora.b()->cols()));
  base_ = std::make_shared<const Base>(Base{stored, std::move(lora)});
}

void Weight::keep(const StoredMatrix& stored) { adapt(stored, {}); }

const Weight::Lora* Weight::lora() const {
  return base_ && base_->lora.weights ? &base_->lora : nullptr;
}

const StoredMatrix* Weight::stored() const { return base_ ? &base_->stored : nullptr; }

bool Weight::turned() const { return learning_ && learning_->turned; }

const Tensor& Weight::values() const {
  static const Tensor none;
  return learning_ ? learning_->values : none;
}

Result<std::shared_ptr<std::byte>> reserve_pages(uint64_t bytes) {
  if (bytes == 0) return std::shared_ptr<std::byte>();
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return error("cannot reserve {} of memory: {}", format_bytes(bytes), std::strerror(errno));
  ::madvise(p, bytes, MADV_HUGEPAGE);
  return std::shared_ptr<std::byte>(static_cast<std::byte*>(p),
                                    [bytes](std::byte* q) { ::munmap(q, bytes); });
}

}  // namespace r1

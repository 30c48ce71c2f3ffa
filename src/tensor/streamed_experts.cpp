#include "tensor/streamed_experts.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "base/file.h"
#include "base/units.h"

namespace r1 {
namespace {

constexpr double kHalfLife = 4096;  // experts asked until a use counts half
constexpr int kAhead = 16;          // experts read ahead at a time: more than a token chooses

std::span<const std::byte> stored_span(const StoredMatrix& m) {
  return {m.bytes,
          *stored_bytes(m.dtype, static_cast<uint64_t>(m.rows), static_cast<uint64_t>(m.cols))};
}

// madvise for the pages that hold a matrix; 0 where nothing is mapped.
int advise(const StoredMatrix& m, int advice) {
  if (!m.mapped) return 0;
  const auto bytes = stored_span(m);
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  return ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

// Reads the pages and waits for them. What cannot be read is an error here; touched, it would be a
// signal. A system before Linux 5.14 does not know this advice (EINVAL).
void read_now(const StoredMatrix& m) {
  if (advise(m, MADV_POPULATE_READ) == 0 || errno == EINVAL) return;
  throw std::runtime_error(fmt::format(
      "cannot read {} of an expert from the model's file: {}", format_bytes(stored_span(m).size()),
      errno == EFAULT ? "it was cut short, or the disk failed" : std::strerror(errno)));
}

}  // namespace

double ExpertCache::uses_now(const Entry& entry) const {
  return entry.uses * std::exp2(-static_cast<double>(now_ - entry.last_use) / kHalfLife);
}

void ExpertCache::count_use(Entry& entry) {
  entry.uses = uses_now(entry) + 1;
  entry.last_use = now_++;
}

// The cache itself holds an entry's memory four times: as memory and in three weights.
bool ExpertCache::in_use(const Entry& entry) const { return entry.memory.use_count() > 4; }

std::shared_ptr<std::byte> ExpertCache::make_room(uint64_t bytes, bool must) {
  std::shared_ptr<std::byte> memory;
  while (used_ + bytes > budget_) {
    Entry* least = nullptr;
    double fewest = 0;
    for (Entry* e : cached_) {
      if (in_use(*e)) continue;
      const double uses = uses_now(*e);
      if (least && uses >= fewest) continue;
      least = e;
      fewest = uses;
    }
    if (!least) break;
    used_ -= least->bytes;
    cached_.erase(least->place);
    if (least->bytes == bytes) memory = std::move(least->memory);
    least->expert = {};
    least->memory = nullptr;
  }
  if (used_ + bytes > budget_ && !must) return nullptr;
  if (!memory) {
    auto reserved = reserve_pages(bytes);
    if (!reserved) throw std::runtime_error(reserved.error().message);
    memory = *std::move(reserved);
  }
  used_ += bytes;
  return memory;
}

class StreamedExperts final : public Experts {
 public:
  StreamedExperts(Compute compute, Isa isa, std::span<const StoredExpert> stored,
                  std::shared_ptr<ExpertCache> cache)
      : compute_(compute),
        isa_(isa),
        stored_(stored.begin(), stored.end()),
        entries_(stored.size()),
        cache_(std::move(cache)) {
    for (const StoredExpert& e : stored_) {
      bytes_ = std::max(bytes_, packed_bytes(e));
      cache_->stored_ += file_bytes(e);
    }
  }
  ~StreamedExperts() override {
    for (ExpertCache::Entry& e : entries_) {
      if (!e.memory) continue;
      cache_->used_ -= e.bytes;
      cache_->cached_.erase(e.place);
    }
  }

  int64_t count() const override { return std::ssize(stored_); }
  uint64_t resident_bytes() const override { return 0; }
  uint64_t expert_bytes() const override { return bytes_; }

  std::vector<Expert> acquire(Context& ctx, std::span<const int32_t> wanted) override {
    std::vector<Expert> here;  // held, so that none of them makes room for another
    int ahead = 0;
    for (const int32_t id : wanted) {
      ExpertCache::Entry& entry = at(id);
      if (entry.memory) {
        here.push_back(entry.expert);
        continue;
      }
      if (++ahead > kAhead) continue;
      const StoredExpert& stored = stored_[static_cast<size_t>(id)];
      for (const StoredMatrix* m : {&stored.gate, &stored.up, &stored.down})
        advise(*m, MADV_WILLNEED);  // starts to read, does not wait
    }
    std::vector<Expert> given;
    for (const int32_t id : wanted) {
      ExpertCache::Entry& entry = at(id);
      const bool found = entry.memory != nullptr;
      if (!found && !read(ctx, id, entry, given.empty())) break;
      cache_->count_use(entry);
      ++cache_->asked_;
      cache_->found_ += found;
      given.push_back(entry.expert);
    }
    return given;
  }

 private:
  ExpertCache::Entry& at(int32_t id) { return entries_[static_cast<size_t>(id)]; }

  uint64_t packed_bytes(const StoredMatrix& m) const {
    const MatmulKernel& kernel = *Weight::kernel_for(m.dtype, compute_, isa_);
    return (Weight::packed_bytes(kernel, m.rows, m.cols) + 63) / 64 * 64;
  }
  uint64_t packed_bytes(const StoredExpert& e) const {
    return packed_bytes(e.gate) + packed_bytes(e.up) + packed_bytes(e.down);
  }
  static uint64_t file_bytes(const StoredExpert& e) {
    return stored_span(e.gate).size() + stored_span(e.up).size() + stored_span(e.down).size();
  }

  Weight pack(Context& ctx, const StoredMatrix& m, const std::shared_ptr<std::byte>& memory,
              uint64_t& offset) const {
    const MatmulKernel& kernel = *Weight::kernel_for(m.dtype, compute_, isa_);
    Weight w = Weight::pack(ctx, m, kernel, {memory, memory.get() + offset});
    offset += packed_bytes(m);
    if (m.mapped) drop_pages(stored_span(m));
    return w;
  }

  // From the file into the cache; false where there is no room.
  bool read(Context& ctx, int32_t id, ExpertCache::Entry& entry, bool must) {
    const StoredExpert& stored = stored_[static_cast<size_t>(id)];
    for (const StoredMatrix* m : {&stored.gate, &stored.up, &stored.down}) read_now(*m);
    entry.bytes = packed_bytes(stored);
    entry.memory = cache_->make_room(entry.bytes, must);
    if (!entry.memory) return false;
    uint64_t offset = 0;
    entry.expert.gate = pack(ctx, stored.gate, entry.memory, offset);
    entry.expert.up = pack(ctx, stored.up, entry.memory, offset);
    entry.expert.down = pack(ctx, stored.down, entry.memory, offset);
    entry.place = cache_->cached_.insert(cache_->cached_.end(), &entry);
    cache_->bytes_read_ += file_bytes(stored);
    return true;
  }

  const Compute compute_;
  const Isa isa_;
  const std::vector<StoredExpert> stored_;
  std::vector<ExpertCache::Entry> entries_;
  uint64_t bytes_ = 0;
  const std::shared_ptr<ExpertCache> cache_;
};

Result<std::unique_ptr<Experts>> streamed_experts(const Context& ctx, Compute compute,
                                                  std::span<const StoredExpert> stored,
                                                  std::shared_ptr<ExpertCache> cache) {
  for (const StoredExpert& e : stored) {
    for (const StoredMatrix* m : {&e.gate, &e.up, &e.down}) {
      if (!Weight::kernel_for(m->dtype, compute, ctx.isa()))
        return error("no kernel multiplies type {}", info(m->dtype).name);
    }
  }
  auto experts = std::make_unique<StreamedExperts>(compute, ctx.isa(), stored, cache);
  if (experts->expert_bytes() > cache->budget())
    return error("the cache for experts has {}, one expert takes {}", format_bytes(cache->budget()),
                 format_bytes(experts->expert_bytes()));
  return std::unique_ptr<Experts>(std::move(experts));
}

}  // namespace r1

// Hands out the pages of KvPages and shares them between sequences whose tokens begin alike: full
// pages stand in a tree keyed by their tokens (vLLM's paging, arXiv 2309.06180; SGLang's radix
// tree, arXiv 2312.07104). By law 1 two pages of the same prefix hold the same bits, so which of
// them a sequence reads never matters. Not thread-safe: it belongs to the batcher's worker.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "tensor/kv_pages.h"

namespace r1 {

// One sequence's hold on pages; give it back with PageCache::release.
struct KvSequence {
  std::vector<int32_t> pages;  // page i holds positions [i * kKvPage, (i + 1) * kKvPage)
  int64_t length = 0;          // positions whose keys and values are there
  int32_t filed = 0;           // leading pages that stand in the tree and are never written again
};

class PageCache {
 public:
  explicit PageCache(KvPages pages);

  KvPages& pages() { return pages_; }
  int64_t capacity() const { return int64_t{pages_.n_pages()} * kKvPage; }  // positions

  // Takes over what is already computed of tokens (the whole sequence up to where it need not be
  // computed again): full pages are shared, a partly matching one is copied. Returns the positions
  // gained.
  int64_t adopt(KvSequence& s, std::span<const int32_t> tokens);
  // The same from one sequence: `shared` tokens, at most, are the beginning of both. Copies what
  // the page that `other` is still filling holds of them.
  int64_t adopt_tail(KvSequence& s, const KvSequence& other, int64_t shared);
  // Pages for positions [0, length), evicting what nobody uses; false, and nothing taken, if there
  // are too few.
  bool reserve(KvSequence& s, int64_t length);
  // Whether reserve(s, length) would leave pages for `spare` positions more.
  bool fits(const KvSequence& s, int64_t length, int64_t spare) const;
  // The keys and values of all of `tokens` (the sequence from its first) have been written: full
  // pages are filed.
  void commit(KvSequence& s, std::span<const int32_t> tokens);
  // Forgets positions from `length` on, and some before it where they share a filed page: s.length
  // tells.
  void truncate(KvSequence& s, int64_t length);
  // Gives back the pages beyond its length.
  void trim(KvSequence& s);
  // Gives everything back; what was computed stays findable until its pages are wanted. tokens: of
  // s.length or more.
  void release(KvSequence& s, std::span<const int32_t> tokens);

  struct Usage {
    int32_t free = 0, used = 0, idle = 0;  // pages; idle: findable, used by nobody
    int32_t available() const { return free + idle; }
  };
  Usage usage() const;

 private:
  using Children = std::map<std::vector<int32_t>, int32_t>;  // tokens of a page -> page
  static constexpr int32_t kRoot = -1, kNone = -2;

  // What the tree knows of a page while it is filed. A page with fewer than kKvPage tokens is a
  // leaf, only copied.
  struct Node {
    int32_t parent = kNone;  // kNone: not filed
    int32_t users = 0;
    uint64_t last_used = 0;
    Children::iterator place;  // in the parent's children
    Children children;
  };

  Node& node(int32_t page) { return nodes_[static_cast<size_t>(page)]; }
  Children& children(int32_t page) { return page == kRoot ? root_ : node(page).children; }
  static int32_t last_filed(const KvSequence& s);

  int32_t take();  // a free page, evicting if need be; kNone if every page is used
  void file(int32_t page, int32_t parent, std::span<const int32_t> tokens);
  void unfile(int32_t page);
  void use(int32_t page);
  void unuse(int32_t page);
  void give_back(KvSequence& s);  // the last page of s
  bool evictable(int32_t page) { return node(page).users == 0 && node(page).children.empty(); }

  KvPages pages_;
  std::vector<Node> nodes_;  // by page
  Children root_;
  std::vector<int32_t> free_;  // a stack: the lowest number on top at first
  std::set<std::pair<uint64_t, int32_t>>
      evictable_;  // (last used, page): unused leaves, the oldest first
  int32_t idle_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace r1

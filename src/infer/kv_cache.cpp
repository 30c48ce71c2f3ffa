#include "infer/kv_cache.h"

#include <algorithm>

namespace r1 {
namespace {

int64_t pages_for(int64_t positions) { return (positions + kKvPage - 1) / kKvPage; }

// The tokens of page i of a sequence, as many as there are.
std::span<const int32_t> page_tokens(std::span<const int32_t> tokens, int64_t i) {
  const auto begin = std::min(tokens.size(), static_cast<size_t>(i) * kKvPage);
  return tokens.subspan(begin, std::min<size_t>(kKvPage, tokens.size() - begin));
}

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t n = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first -
         a.begin();
}

}  // namespace

PageCache::PageCache(KvPages pages)
    : pages_(std::move(pages)), nodes_(static_cast<size_t>(pages_.n_pages())) {
  for (int32_t page = pages_.n_pages(); page-- > 0;) free_.push_back(page);
}

int32_t PageCache::last_filed(const KvSequence& s) {
  return s.filed == 0 ? kRoot : s.pages[static_cast<size_t>(s.filed) - 1];
}

int64_t PageCache::adopt(KvSequence& s, std::span<const int32_t> tokens) {
  const int64_t before = s.length;
  for (;;) {
    // In the order of their tokens, the child that shares the longest prefix stands beside where
    // ours would.
    const auto wanted = page_tokens(tokens, s.filed);
    Children& siblings = children(last_filed(s));
    auto best = siblings.end();
    int64_t shared = s.length - int64_t{s.filed} * kKvPage;  // what s has of this page already
    const auto consider = [&](Children::iterator it) {
      if (const int64_t n = common_prefix(it->first, wanted); n > shared) best = it, shared = n;
    };
    const auto next = siblings.lower_bound({wanted.begin(), wanted.end()});
    if (next != siblings.end()) consider(next);
    if (next != siblings.begin()) consider(std::prev(next));
    if (best == siblings.end()) return s.length - before;

    const auto i = static_cast<size_t>(s.filed);
    const int32_t source = best->second;
    use(source);  // so that making room does not evict it
    const bool whole = shared == kKvPage;
    if (whole) {
      if (i < s.pages.size()) {
        free_.push_back(s.pages[i]);
        s.pages[i] = source;
      } else {
        s.pages.push_back(source);
      }
      ++s.filed;
    } else {
      const int32_t copy = i < s.pages.size() ? s.pages[i] : take();
      if (copy != kNone) {
        pages_.copy_page(source, copy);
        if (i == s.pages.size()) s.pages.push_back(copy);
      }
      unuse(source);
      if (copy == kNone) return s.length - before;
    }
    s.length = static_cast<int64_t>(i) * kKvPage + shared;
    if (!whole) return s.length - before;
  }
}

int64_t PageCache::adopt_tail(KvSequence& s, const KvSequence& other, int64_t shared) {
  const auto i = static_cast<size_t>(s.filed);
  const int64_t before = s.length;
  const int64_t end = std::min({shared, other.length, int64_t{s.filed + 1} * kKvPage});
  if (end <= before) return 0;
  if (i == s.pages.size()) {
    const int32_t page = take();
    if (page == kNone) return 0;
    s.pages.push_back(page);
  }
  pages_.copy_page(other.pages[i], s.pages[i]);
  s.length = end;
  return end - before;
}

bool PageCache::fits(const KvSequence& s, int64_t length, int64_t spare) const {
  return pages_for(length) - std::ssize(s.pages) + pages_for(spare) <= usage().available();
}

bool PageCache::reserve(KvSequence& s, int64_t length) {
  if (!fits(s, length, 0)) return false;
  while (std::ssize(s.pages) < pages_for(length)) s.pages.push_back(take());
  return true;
}

void PageCache::commit(KvSequence& s, std::span<const int32_t> tokens) {
  const auto length = static_cast<int64_t>(tokens.size());
  R1_CHECK(pages_for(length) <= static_cast<int64_t>(s.pages.size()));
  s.length = length;
  while (int64_t{s.filed + 1} * kKvPage <= length) {
    int32_t& page = s.pages[static_cast<size_t>(s.filed)];
    const int32_t parent = last_filed(s);
    const auto key = page_tokens(tokens, s.filed);
    if (const auto known = children(parent).find({key.begin(), key.end()});
        known != children(parent).end()) {
      free_.push_back(page);  // another sequence computed the same bits
      page = known->second;
    } else {
      file(page, parent, key);
    }
    use(page);
    ++s.filed;
  }
}

void PageCache::truncate(KvSequence& s, int64_t length) {
  R1_CHECK(length >= 0);
  if (length >= s.length) return;
  if (length < int64_t{s.filed} * kKvPage)
    length -= length % kKvPage;  // a filed page is never written again
  s.length = length;
  trim(s);
}

void PageCache::trim(KvSequence& s) {
  while (static_cast<int64_t>(s.pages.size()) > pages_for(s.length)) give_back(s);
}

void PageCache::release(KvSequence& s, std::span<const int32_t> tokens) {
  trim(s);
  if (static_cast<int64_t>(s.pages.size()) > s.filed) {  // the partly filled last page
    const int32_t parent = last_filed(s);
    const auto rest = page_tokens(tokens.first(static_cast<size_t>(s.length)), s.filed);
    const std::vector<int32_t> key(rest.begin(), rest.end());
    const auto next = children(parent).lower_bound(key);
    const bool covered =
        next != children(parent).end() && common_prefix(next->first, key) == std::ssize(key);
    if (!covered) {
      file(s.pages.back(), parent, key);
      s.pages.pop_back();
    }
  }
  while (!s.pages.empty()) give_back(s);
  s = {};
}

PageCache::Usage PageCache::usage() const {
  const auto free = static_cast<int32_t>(free_.size());
  return {.free = free, .used = pages_.n_pages() - free - idle_, .idle = idle_};
}

int32_t PageCache::take() {
  if (free_.empty()) {
    if (evictable_.empty()) return kNone;
    const int32_t oldest = evictable_.begin()->second;
    unfile(oldest);
    free_.push_back(oldest);
  }
  const int32_t page = free_.back();
  free_.pop_back();
  return page;
}

// Files a page nobody uses yet.
void PageCache::file(int32_t page, int32_t parent, std::span<const int32_t> tokens) {
  Node& n = node(page);
  n.parent = parent;
  n.users = 0;
  n.last_used = ++clock_;
  n.place =
      children(parent).emplace(std::vector<int32_t>(tokens.begin(), tokens.end()), page).first;
  if (parent != kRoot) evictable_.erase({node(parent).last_used, parent});
  evictable_.insert({n.last_used, page});
  ++idle_;
}

// Takes an evictable page out of the tree.
void PageCache::unfile(int32_t page) {
  Node& n = node(page);
  evictable_.erase({n.last_used, page});
  children(n.parent).erase(n.place);
  if (n.parent != kRoot && evictable(n.parent))
    evictable_.insert({node(n.parent).last_used, n.parent});
  n.parent = kNone;
  --idle_;
}

void PageCache::use(int32_t page) {
  Node& n = node(page);
  if (n.users++ > 0) return;
  evictable_.erase({n.last_used, page});
  --idle_;
}

void PageCache::unuse(int32_t page) {
  Node& n = node(page);
  if (--n.users > 0) return;
  n.last_used = ++clock_;
  if (n.children.empty()) evictable_.insert({n.last_used, page});
  ++idle_;
}

void PageCache::give_back(KvSequence& s) {
  const int32_t page = s.pages.back();
  if (static_cast<int32_t>(s.pages.size()) == s.filed) {
    unuse(page);
    --s.filed;
  } else {
    free_.push_back(page);
  }
  s.pages.pop_back();
}

}  // namespace r1

// A set of byte ranges, which every caller rounds to pages: disjoint, not adjacent, sorted.
// Not thread-safe. A region has a few for each buffer that grows in it, so a tree is small.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace tributary {

class PageRanges {
 public:
  bool Contains(uint64_t from, uint64_t to) const {
    auto after = ends_.upper_bound(from);
    return after != ends_.begin() && std::prev(after)->second >= to;
  }

  // Returns how many bytes of [from, to) were not in the set.
  uint64_t Add(uint64_t from, uint64_t to) {
    uint64_t added = to - from;
    auto next = ends_.upper_bound(from);
    if (next != ends_.begin() && std::prev(next)->second >= from) --next;
    uint64_t begin = from, end = to;
    while (next != ends_.end() && next->first <= to) {
      uint64_t overlap_from = std::max(next->first, from), overlap_to = std::min(next->second, to);
      if (overlap_to > overlap_from) added -= overlap_to - overlap_from;
      begin = std::min(begin, next->first);
      end = std::max(end, next->second);
      next = ends_.erase(next);
    }
    ends_.emplace(begin, end);
    return added;
  }

  void Remove(uint64_t from, uint64_t to) {
    auto next = ends_.upper_bound(from);
    if (next != ends_.begin() && std::prev(next)->second > from) --next;
    while (next != ends_.end() && next->first < to) {
      uint64_t begin = next->first, end = next->second;
      next = ends_.erase(next);
      if (begin < from) ends_.emplace(begin, from);
      if (end > to) next = ends_.emplace(to, end).first;
    }
  }

  void Clear() { ends_.clear(); }

  // Calls visit(from, to, is_in_set) for the parts of [from, to), in order, each as long as it can be.
  template <typename Visit>
  void Split(uint64_t from, uint64_t to, Visit visit) const {
    auto next = ends_.upper_bound(from);
    if (next != ends_.begin() && std::prev(next)->second > from) --next;
    while (from < to) {
      bool is_in = next != ends_.end() && next->first <= from;
      uint64_t end = next == ends_.end() ? to : is_in ? next->second : next->first;
      end = std::min(end, to);
      visit(from, end, is_in);
      if (is_in) ++next;
      from = end;
    }
  }

 private:
  std::map<uint64_t, uint64_t> ends_;  // end of a range by its start
};

}  // namespace tributary

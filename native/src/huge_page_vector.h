// A vector for tables of many megabytes that are read at random: on huge pages where the kernel gives
// them (transparent_hugepage is `madvise` or `always`), a look-up misses the cache but not the TLB as well.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <vector>

namespace tributary {

template <typename T>
struct HugePageAllocator {
  using value_type = T;
  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(size_t count) {
    constexpr size_t kHugePage = 2 << 20;
    size_t bytes = count * sizeof(T);
    bool is_large = bytes >= kHugePage;
    if (is_large) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = is_large ? aligned_alloc(kHugePage, bytes) : malloc(bytes);
    if (memory == nullptr) abort();  // as without exceptions: nothing sensible is left to do
    if (is_large) madvise(memory, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { free(memory); }
  bool operator==(const HugePageAllocator&) const { return true; }
  bool operator!=(const HugePageAllocator&) const { return false; }
};

template <typename T>
using HugePageVector = std::vector<T, HugePageAllocator<T>>;

}  // namespace tributary

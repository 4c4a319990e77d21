// Memory that grows without moving: an address range is reserved, and its beginning made usable step by step.
//
// What lies in it is never copied to make room, so growing takes as long for gigabytes as for kilobytes, and
// never needs the old beside the new. What is reserved is no memory yet, neither to the kernel nor to
// RLIMIT_DATA. From 2 MiB on it is backed by huge pages where the kernel gives them (transparent_hugepage is
// `madvise` or `always`): a random look-up misses the cache then, but not the TLB as well. Clearing one takes up to
// 4 ms where a virtual machine has to fetch it from its host, so the page-warmer makes those that come next.
//
// A process that is forked has none of it. Between fork and exec the kernel would copy whatever is written here,
// breaking each huge page it touches into small ones, and they would stay small.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "page_warmer.h"
#include "shared_pages.h"

namespace tributary {

class GrowingMemory {
 public:
  explicit GrowingMemory(uint64_t reserved_bytes) : reserved_bytes_(reserved_bytes) {}
  ~GrowingMemory() { Clear(); }
  GrowingMemory(const GrowingMemory&) = delete;
  GrowingMemory& operator=(const GrowingMemory&) = delete;

  char* data() const { return data_; }

  // Reserves the addresses, unless they are. False, with errno, where there are none.
  bool Reserve() {
    if (mapping_ != nullptr) return true;
    void* mapping = mmap(nullptr, reserved_bytes_ + kHugePage, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) return false;
    mapping_ = mapping;
    data_ = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(mapping) + kHugePage - 1) /
                                    kHugePage * kHugePage);
    madvise(data_, reserved_bytes_, MADV_HUGEPAGE);
    madvise(data_, reserved_bytes_, MADV_DONTFORK);
    return true;
  }

  // Makes the first `bytes` usable; what is new is zero. Ends the process where there is no memory.
  void GrowTo(uint64_t bytes) {
    if (bytes <= usable_bytes_) return;
    // Steps of pages while it is small, then of huge pages.
    bool is_huge = bytes >= kHugePage;
    uint64_t step = is_huge ? kHugePage : kPage;
    usable_bytes_ = (bytes + step - 1) / step * step;
    // As without exceptions: nothing sensible is left to do.
    if (usable_bytes_ > reserved_bytes_ || !Reserve()) abort();
    if (usable_bytes_ > open_bytes_) Open(is_huge ? usable_bytes_ + kOpenBytes : usable_bytes_);
    if (is_huge) WarmTo(usable_bytes_ + kHugePage);
  }

  // Gives everything back, and can begin anew.
  void Clear() {
    if (mapping_ != nullptr) {
      PageWarmer::Instance().Forget(reinterpret_cast<uint8_t*>(data_), reserved_bytes_);
      munmap(mapping_, reserved_bytes_ + kHugePage);
    }
    mapping_ = nullptr;
    data_ = nullptr;
    usable_bytes_ = open_bytes_ = warm_bytes_ = 0;
  }

 private:
  static constexpr uint64_t kPage = 4096;

  // Addresses that are opened together: opening waits for all faults of the process that are under way.
  static constexpr uint64_t kOpenBytes = 16 << 20;

  // Lets the kernel give pages up to there.
  void Open(uint64_t bytes) {
    bytes = std::min(bytes, reserved_bytes_);
    if (mprotect(data_ + open_bytes_, bytes - open_bytes_, PROT_READ | PROT_WRITE) != 0) abort();
    open_bytes_ = bytes;
  }

  // Has the pages up to there made.
  void WarmTo(uint64_t bytes) {
    bytes = std::min(bytes, open_bytes_);
    if (bytes <= warm_bytes_) return;
    PageWarmer::Instance().AddMemory(reinterpret_cast<uint8_t*>(data_ + warm_bytes_), bytes - warm_bytes_);
    warm_bytes_ = bytes;
  }

  const uint64_t reserved_bytes_;
  void* mapping_ = nullptr;
  char* data_ = nullptr;
  uint64_t usable_bytes_ = 0;
  uint64_t open_bytes_ = 0;  // at least as much
  uint64_t warm_bytes_ = 0;  // which the page-warmer was told of
};

}  // namespace tributary

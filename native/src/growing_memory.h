// Memory that grows without moving: an address range is reserved, and its beginning made usable step by step.
//
// What lies in it is never copied to make room, so growing takes as long for gigabytes as for kilobytes, and
// never needs the old beside the new. What is reserved is no memory yet, neither to the kernel nor to
// RLIMIT_DATA. From 2 MiB on it is backed by huge pages where the kernel gives them (transparent_hugepage is
// `madvise` or `always`): a random look-up misses the cache then, but not the TLB as well.
//
// A process that is forked has none of it. Between fork and exec the kernel would copy whatever is written here,
// breaking each huge page it touches into small ones, and they would stay small.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

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
    uint64_t step = bytes < kHugePage ? kPage : kHugePage;
    bytes = (bytes + step - 1) / step * step;
    if (bytes > reserved_bytes_ || !Reserve() ||
        mprotect(data_ + usable_bytes_, bytes - usable_bytes_, PROT_READ | PROT_WRITE) != 0) {
      abort();  // as without exceptions: nothing sensible is left to do
    }
    usable_bytes_ = bytes;
  }

  // Gives everything back, and can begin anew.
  void Clear() {
    if (mapping_ != nullptr) munmap(mapping_, reserved_bytes_ + kHugePage);
    mapping_ = nullptr;
    data_ = nullptr;
    usable_bytes_ = 0;
  }

 private:
  static constexpr uint64_t kPage = 4096;

  const uint64_t reserved_bytes_;
  void* mapping_ = nullptr;
  char* data_ = nullptr;
  uint64_t usable_bytes_ = 0;
};

}  // namespace tributary

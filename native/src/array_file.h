// A shared array written from C++: the same file that storage/shared-array.ts writes from TypeScript.
#pragma once
#include <string>

#include "region.h"
#include "segment_format.h"

namespace tributary {

class ArrayFile {
 public:
  // Returns "" or the reason.
  std::string Create(const std::string& path, uint32_t element_bytes, uint64_t count_max);
  // Makes elements [0, count) safe to touch; grows in steps as storage/shared-array.ts does. Returns "" or the
  // reason.
  std::string Ensure(uint64_t count);
  // Raises what readers may look at.
  void Publish(uint64_t count) {
    auto* header = reinterpret_cast<ArrayHeader*>(region_.base());
    __atomic_store_n(&header->published_count, count, __ATOMIC_RELEASE);
  }
  template <typename T>
  T* data() const {
    return reinterpret_cast<T*>(region_.base() + kPageBytes);
  }
  void Close() { region_.Close(); }
  uint64_t backed_bytes() const { return region_.backed_bytes(); }

 private:
  uint64_t FileBytes(uint64_t count) const { return kPageBytes + element_bytes_ * count; }

  Region region_;
  uint32_t element_bytes_ = 0;
  uint64_t count_max_ = 0;
  uint64_t file_bytes_ = 0;  // backed, header included
};

}  // namespace tributary

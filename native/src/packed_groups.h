// The groups of a FingerprintMap as one run of bytes, for a checkpoint, read and written in pieces of any length: three
// eighths of their memory and less, since free slots are left out.
//
// Packed groups differ in length, so pieces come in order: each at the offset where the last one ended, the first at 0.
// One group at a time is held.
#pragma once
#include <cstdint>
#include <memory>

#include "fingerprint_map.h"

namespace tributary {

// A packed group, part of which was copied.
class PackedGroup {
 public:
  void Begin() { group_ = offset_ = length_ = copied_ = 0; }

 protected:
  char* bytes() {
    if (bytes_ == nullptr) bytes_ = std::make_unique<char[]>(FingerprintMap::kPackedBytesMax);
    return bytes_.get();
  }

  uint64_t group_ = 0;   // the next one to be packed or filled
  uint64_t offset_ = 0;  // in the run
  uint64_t length_ = 0, copied_ = 0;

 private:
  std::unique_ptr<char[]> bytes_;
};

class GroupPacker : public PackedGroup {
 public:
  // Fills `target` from `offset` on. False when it lies elsewhere than behind what was read last, or beyond the end.
  bool Read(const FingerprintMap& map, uint64_t offset, char* target, uint64_t length);
};

class GroupUnpacker : public PackedGroup {
 public:
  // Takes what follows. `map` has as many groups, and they are empty. False when it lies elsewhere than behind
  // what was written last, and for what is no packed group.
  bool Write(FingerprintMap* map, uint64_t offset, const char* source, uint64_t length);
};

}  // namespace tributary

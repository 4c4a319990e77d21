#include "packed_groups.h"

#include <algorithm>
#include <cstring>

namespace tributary {

bool GroupPacker::Read(const FingerprintMap& map, uint64_t offset, char* target, uint64_t length) {
  if (offset == 0) Begin();
  if (offset != offset_) return false;
  while (length > 0) {
    if (copied_ == length_) {
      if (group_ == map.groups()) return false;
      length_ = map.PackGroup(group_++, bytes());
      copied_ = 0;
    }
    uint64_t step = std::min(length, length_ - copied_);
    memcpy(target, bytes() + copied_, step);
    copied_ += step;
    offset_ += step;
    target += step;
    length -= step;
  }
  return true;
}

bool GroupUnpacker::Write(FingerprintMap* map, uint64_t offset, const char* source,
                          uint64_t length) {
  if (offset == 0) Begin();
  if (offset != offset_) return false;
  while (length > 0) {
    if (group_ == map->groups()) return false;
    if (length_ == 0) length_ = FingerprintMap::kBitsBytes;
    uint64_t step = std::min(length, length_ - copied_);
    memcpy(bytes() + copied_, source, step);
    copied_ += step;
    offset_ += step;
    source += step;
    length -= step;
    if (copied_ < length_) return true;
    if (length_ == FingerprintMap::kBitsBytes) {
      length_ = FingerprintMap::PackedBytesOf(bytes());
      if (length_ == 0) return false;
    }
    if (copied_ < length_) continue;
    map->UnpackGroup(group_++, bytes());
    length_ = copied_ = 0;
  }
  return true;
}

}  // namespace tributary

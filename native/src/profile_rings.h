// The anchors of a profile, by identity's shared arrays: a ring that begins at the profile's head.
//
// A ring that is being changed may lead astray for a moment, so a walk never takes more steps than a
// profile has anchors at most, and none outside the arrays.
#pragma once
#include <algorithm>
#include <cstdint>

#include "hot_directory.h"
#include "segment_format.h"

namespace tributary {

class ProfileRings {
 public:
  // LIMITS.profileAnchorsMax.
  static constexpr uint32_t kStepsMax = 10000;

  ProfileRings()
      : heads_(HotDirectory::Instance().Array("profile_heads")),
        records_(HotDirectory::Instance().Array("anchor_records")) {
    count_ = std::min(heads_.count(), heads_.CapacityOf(4));
    // 32-bit words: three an anchor.
    anchors_ = records_.CapacityOf(4) / 3;
  }

  // Ordinals of profiles below it are published.
  uint64_t count() const { return count_; }
  // Anchors that there is room for.
  uint64_t anchors() const { return anchors_; }
  // The anchor that the ring begins at; 0 when there is none.
  uint32_t HeadOf(uint32_t profile) const {
    uint32_t head = WordOf(profile) & kOrdinalMask;
    return head < anchors_ ? head : 0;
  }
  // min(anchors, kSizeMany); 0 for a profile that became part of another.
  uint32_t SizeOf(uint32_t profile) const { return WordOf(profile) >> kOrdinalBits; }
  const AnchorRecord& RecordOf(uint32_t anchor) const {
    return records_.As<AnchorRecord>()[anchor];
  }
  uint32_t NextOf(uint32_t anchor) const {
    uint32_t next = RecordOf(anchor).next & kOrdinalMask;
    return next < anchors_ ? next : 0;
  }
  // Calls visit(anchor) for each anchor of the profile.
  template <typename Visit>
  void EachAnchor(uint32_t profile, Visit visit) const {
    const uint32_t head = HeadOf(profile);
    uint32_t anchor = head;
    for (uint32_t steps = 0; anchor != 0 && steps < kStepsMax; steps += 1) {
      visit(anchor);
      anchor = NextOf(anchor);
      if (anchor == head) break;
    }
  }

 private:
  uint32_t WordOf(uint32_t profile) const { return heads_.As<uint32_t>()[profile]; }

  MappedArray heads_, records_;
  uint64_t count_ = 0, anchors_ = 0;
};

}  // namespace tributary

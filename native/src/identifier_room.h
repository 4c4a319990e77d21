// Room in identity for what batches bring, told before anything of them is staged.
//
// What a batch holds is known once it is staged, and then it cannot be refused any more. So it claims the most
// that its events could bring, and gives back what they did not once their nodes are found. What is claimed
// beyond need is that of the batches between decoding and their nodes: one, or a few with two threads.
//
// - The main thread grants identifiers: it made room in its arrays for all that they can lead to.
// - Not synchronised: whoever has one has a mutex.
#pragma once
#include <cstdint>

namespace tributary {

// Of one row at most: its user, anonymous and previous id, and those that the rules look for. Shared with
// engine/identity-room.ts.
constexpr uint32_t kFurtherNodesMax = 16;
constexpr uint32_t kIdentifiersPerRowMax = 3 + kFurtherNodesMax;

struct RoomClaim {
  uint64_t identifiers = 0;
  uint64_t text_bytes = 0;  // that their values are parts of
};

class IdentifierRoom {
 public:
  void Grant(uint64_t identifiers) { free_ += identifiers; }
  bool Has(const RoomClaim& claim) const { return claim.identifiers <= free_; }
  // There is room.
  void Take(const RoomClaim& claim) {
    free_ -= claim.identifiers;
    claimed_.identifiers += claim.identifiers;
    claimed_.text_bytes += claim.text_bytes;
  }
  // A claim is over, of which so many identifiers were used.
  void Settle(const RoomClaim& claim, uint64_t used) {
    free_ += claim.identifiers - used;
    claimed_.identifiers -= claim.identifiers;
    claimed_.text_bytes -= claim.text_bytes;
  }
  // Of all batches whose nodes are not found yet.
  const RoomClaim& claimed() const { return claimed_; }

 private:
  uint64_t free_ = 0;
  RoomClaim claimed_;
};

}  // namespace tributary

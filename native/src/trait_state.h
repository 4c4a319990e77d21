// What a checkpoint keeps of traits: a stream that depends on nothing but what is kept, so that what values
// have left behind is not in it, and states that are equal have equal streams.
//
//   u16 keys │ u8 last slot │ per key: u8 slot, u8 is complete, u8 length, name
//   per value, by anchor and slot: u32 anchor, u32 length, u64 moment, i64 micros, text
//
// Little-endian. The store is at rest while it is read, and fresh when it is written.
#pragma once
#include <string>

#include "trait_store.h"

namespace tributary {

class TraitState {
 public:
  explicit TraitState(TraitStore* store) : store_(store) {}

  uint64_t bytes() const;
  // Copies the range of `length` bytes from `offset`; quick when ranges are asked for in order.
  bool Read(uint64_t offset, char* target, uint64_t length);
  // Takes the next bytes of a stream. Returns whether it is one.
  bool Write(const char* bytes, uint64_t length);
  // Whether the stream ended where one may end.
  bool is_whole() const { return has_keys_ && taken_.empty(); }

 private:
  void Rewind();
  // Makes the next piece of the stream; false at its end.
  bool NextPiece();
  void AppendKeys();
  void AppendAnchor(uint32_t anchor);
  uint64_t TakeKeys(const char* bytes, uint64_t length, bool* is_sound);
  uint64_t TakeValue(const char* bytes, uint64_t length, bool* is_sound);

  TraitStore* store_;
  uint64_t piece_at_ = 0;  // where piece_ begins in the stream
  uint64_t anchor_ = 0;    // of the next piece; 0 is that of the keys
  std::string piece_;
  bool has_keys_ = false;
  std::string taken_;      // the beginning of what has not come whole
};

}  // namespace tributary

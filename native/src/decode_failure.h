// Why a payload is refused as a whole.
#pragma once
#include <cstdint>

namespace tributary {

// Shared with engine/decode-codes.ts.
enum class DecodeFailure : uint32_t {
  kNone = 0,
  kMalformed = 1,
  kTooDeep = 2,
  kNumberOutOfRange = 3,
  kInvalidUtf8 = 4,
  kNotAnEvent = 5,       // neither an object nor {"batch": […]}
  kBatchTooLarge = 6,
  kSegmentFull = 7,      // nothing staged: seal, rotate, decode again
  kRegionFull = 8,       // the file system that holds the hot data is full
  kBadArguments = 9,
  kInheritedTooLarge = 10,  // the batch's context, once in each event
  kMsgpackMalformed = 11,
  kMsgpackTextTooLarge = 12,
  kIdentityFull = 13,    // nothing staged: identity has no room for what the events could bring
};

}  // namespace tributary

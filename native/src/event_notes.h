// What was noted about the events of one payload: why one was rejected (a RejectCode), or how it was
// altered (a WarningCode). An event has at most one note of each code.
//
// Notes own what they hold: nothing in them points into the payload, so they outlive it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tracking_event.h"

namespace tributary {

// How an accepted event was altered. Shared with engine/decode-codes.ts; above all RejectCodes.
enum class WarningCode : uint32_t {
  kTimestampInFuture = 128,
  kSurrogateReplaced = 129,
  kBatchMemberIgnored = 130,
};

struct Notes {
  // `offset` and `length` say where in `texts` the event stands as JSON; only rejections have a text.
  struct Entry {
    uint32_t index, code, field, offset, length;
  };
  std::vector<Entry> entries;
  std::string texts;

  void Clear() {
    entries.clear();
    texts.clear();
  }
  void Reject(uint32_t index, RejectCode code, Field field, const Slice& text) {
    entries.push_back({index, static_cast<uint32_t>(code), static_cast<uint32_t>(field),
                       static_cast<uint32_t>(texts.size()), static_cast<uint32_t>(text.length)});
    texts.append(text.data, text.length);
  }
  void Warn(uint32_t index, WarningCode code, Field field) {
    entries.push_back({index, static_cast<uint32_t>(code), static_cast<uint32_t>(field), 0, 0});
  }
};

}  // namespace tributary

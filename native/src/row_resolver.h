// What the stager asks of identity: the nodes of staged rows. Implemented by identifier_index.cc.
#pragma once
#include <napi.h>

#include <cstdint>
#include <vector>

#include "segment_rows.h"

namespace tributary {

class RowResolver {
 public:
  // The resolver behind a JavaScript IdentifierIndex; the caller keeps that object alive.
  static RowResolver* FromValue(const Napi::Value& value);

  // Appends to `words` what identity has to know of the rows [first, first + count), in a form of its own
  // that the stager passes on (identifier_index.cc). New identifiers become nodes in the order of the rows; there is room
  // for them. Runs on the stager's thread. Returns the number of nodes there are now.
  virtual uint32_t Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                           std::vector<uint32_t>* words) = 0;

 protected:
  ~RowResolver() = default;
};

}  // namespace tributary

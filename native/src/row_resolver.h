// What the stager asks of identity: room for what a batch can bring, and the nodes of staged rows. Implemented by
// identifier_index.h.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "identifier_room.h"
#include "segment_rows.h"

namespace tributary {

struct ResolvedRows {
  uint32_t nodes;        // there are now
  uint32_t identifiers;  // in the rows, each as often as it stands there
};

class RowResolver {
 public:
  // The resolver behind a JavaScript IdentifierIndex; the caller keeps that object alive.
  static RowResolver* FromValue(const Napi::Value& value);

  // Takes room for a batch before it is staged, on the stager's decoding thread. Returns "" or why there is none;
  // room may be there once earlier batches are settled, or the main thread has granted more.
  virtual std::string Claim(const RoomClaim& claim) = 0;
  // Gives a claim back whose batch was refused after all.
  virtual void Release(const RoomClaim& claim) = 0;

  // Appends to `words` what identity has to know of the rows [first, first + count), in a form of its own
  // that the stager passes on (row_nodes.h). New identifiers become nodes in the order of the rows. Runs on
  // the stager's thread, and settles the claim of the rows.
  virtual ResolvedRows Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                               const RoomClaim& claim, std::vector<uint32_t>* words) = 0;

 protected:
  ~RowResolver() = default;
};

}  // namespace tributary

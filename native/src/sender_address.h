// The address that a batch came from, as the member `ip` that its events inherit in their context.
#pragma once
#include <cstdint>

#include "slice.h"

namespace tributary {

// An address as the log keeps it: that of IPv6, IPv4 mapped into it (RFC 4291 section 2.5.5.2).
constexpr uint32_t kSenderAddressBytes = 16;
// `"ip":"` and the longest text of an address, with its quote, and what joins it to other members.
constexpr uint32_t kSenderMemberBytesMax = 64;

// Writes `"ip":"…"` to `out`, which has room for kSenderMemberBytesMax: an IPv4 address with dots, one of
// IPv6 as RFC 5952 has it.
Slice WriteSenderMember(const uint8_t* address, char* out);

}  // namespace tributary

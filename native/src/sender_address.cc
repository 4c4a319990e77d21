#include "sender_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace tributary {

namespace {
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr char kOpening[] = "\"ip\":\"";
}  // namespace

Slice WriteSenderMember(const uint8_t* address, char* out) {
  constexpr size_t kOpeningBytes = sizeof(kOpening) - 1;
  memcpy(out, kOpening, kOpeningBytes);
  bool is_mapped = memcmp(address, kMappedPrefix, sizeof(kMappedPrefix)) == 0;
  const void* from = is_mapped ? address + sizeof(kMappedPrefix) : address;
  socklen_t room = kSenderMemberBytesMax - kOpeningBytes;
  inet_ntop(is_mapped ? AF_INET : AF_INET6, from, out + kOpeningBytes, room);
  size_t length = strlen(out);
  out[length] = '"';
  return {out, static_cast<uint32_t>(length + 1)};
}

}  // namespace tributary

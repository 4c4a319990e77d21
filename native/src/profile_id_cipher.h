// Public profile ids: AES-128 (FIPS 197) of the ordinal, little-endian and followed by zeros, under a key of
// the tenant, with the version and variant of a UUID (RFC 9562, version 8) put over six bits. They are
// made where they are shown, so nothing is kept for each profile. identity/profile-ids.ts leads back.
#pragma once
#include <cstdint>

namespace tributary {

constexpr uint32_t kProfileIdBytes = 16;

class ProfileIdCipher {
 public:
  ProfileIdCipher() = default;
  // `key` has 16 bytes, and is copied. Uses the processor's instructions for AES where it has them, unless
  // `plainly`.
  explicit ProfileIdCipher(const uint8_t* key, bool plainly = false);
  // Writes the bytes of the UUID of a profile, in the order of its text.
  void Write(uint32_t profile, uint8_t* id) const;

 private:
  static constexpr uint32_t kRounds = 10;
  bool has_instructions_ = false;
  alignas(16) uint8_t keys_[(kRounds + 1) * 16] = {};
};

}  // namespace tributary

#include "profile_id_cipher.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <wmmintrin.h>
#endif

namespace tributary {

namespace {

// Times x in GF(2^8) with the polynomial of AES.
uint8_t TimesX(uint8_t value) { return static_cast<uint8_t>(value << 1 ^ (value >> 7) * 0x1b); }

// The inverse of each byte, mapped affinely, by walking all powers of 3 and of its inverse at once.
std::array<uint8_t, 256> MakeSubstitution() {
  std::array<uint8_t, 256> box{};
  uint8_t power = 1, inverse = 1;
  auto rotated = [](uint8_t value, int by) {
    return static_cast<uint8_t>(value << by | value >> (8 - by));
  };
  do {
    power = static_cast<uint8_t>(power ^ TimesX(power));
    inverse = static_cast<uint8_t>(inverse ^ inverse << 1);
    inverse = static_cast<uint8_t>(inverse ^ inverse << 2);
    inverse = static_cast<uint8_t>(inverse ^ inverse << 4);
    if (inverse & 0x80) inverse ^= 0x09;
    box[power] = static_cast<uint8_t>(inverse ^ rotated(inverse, 1) ^ rotated(inverse, 2) ^
                                      rotated(inverse, 3) ^ rotated(inverse, 4) ^ 0x63);
  } while (power != 1);
  box[0] = 0x63;
  return box;
}

const std::array<uint8_t, 256>& Substitution() {
  static const std::array<uint8_t, 256> box = MakeSubstitution();
  return box;
}

void AddKey(const uint8_t* key, uint8_t* block) {
  for (int i = 0; i < 16; i++) block[i] ^= key[i];
}

// A column in front of the last round: 2·a0 + 3·a1 + a2 + a3, and so on around.
void MixColumn(uint8_t* column) {
  uint8_t all = column[0] ^ column[1] ^ column[2] ^ column[3];
  uint8_t first = column[0];
  for (int i = 0; i < 4; i++) {
    uint8_t next = i == 3 ? first : column[i + 1];
    column[i] = static_cast<uint8_t>(column[i] ^ all ^ TimesX(column[i] ^ next));
  }
}

void EncryptPlainly(const uint8_t* keys, uint32_t rounds, uint8_t* block) {
  const std::array<uint8_t, 256>& box = Substitution();
  AddKey(keys, block);
  for (uint32_t round = 1; round <= rounds; round++) {
    uint8_t shifted[16];
    // Row r of the state, bytes r, r + 4, …, moves left by r places.
    for (int i = 0; i < 16; i++) shifted[i] = box[block[(i + i % 4 * 4) % 16]];
    if (round < rounds) {
      for (int column = 0; column < 16; column += 4) MixColumn(shifted + column);
    }
    memcpy(block, shifted, 16);
    AddKey(keys + 16 * round, block);
  }
}

#if defined(__x86_64__)
__attribute__((target("aes,sse2"))) void EncryptByInstruction(const uint8_t* keys, uint32_t rounds,
                                                              uint8_t* block) {
  const __m128i* key = reinterpret_cast<const __m128i*>(keys);
  __m128i state = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block));
  state = _mm_xor_si128(state, key[0]);
  for (uint32_t round = 1; round < rounds; round++) state = _mm_aesenc_si128(state, key[round]);
  state = _mm_aesenclast_si128(state, key[rounds]);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(block), state);
}
#endif

bool HasInstructions() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("aes");
  return has;
#else
  return false;
#endif
}

}  // namespace

ProfileIdCipher::ProfileIdCipher(const uint8_t* key, bool plainly)
    : has_instructions_(!plainly && HasInstructions()) {
  const std::array<uint8_t, 256>& box = Substitution();
  memcpy(keys_, key, 16);
  uint8_t constant = 1;
  for (uint32_t at = 16; at < sizeof(keys_); at += 4) {
    uint8_t word[4];
    memcpy(word, keys_ + at - 4, 4);
    if (at % 16 == 0) {
      uint8_t first = word[0];
      for (int i = 0; i < 3; i++) word[i] = box[word[i + 1]];
      word[3] = box[first];
      word[0] ^= constant;
      constant = TimesX(constant);
    }
    for (int i = 0; i < 4; i++) keys_[at + i] = keys_[at - 16 + i] ^ word[i];
  }
}

void ProfileIdCipher::Write(uint32_t profile, uint8_t* id) const {
  memset(id, 0, kProfileIdBytes);
  for (int i = 0; i < 4; i++) id[i] = static_cast<uint8_t>(profile >> 8 * i);
#if defined(__x86_64__)
  if (has_instructions_) EncryptByInstruction(keys_, kRounds, id);
#endif
  if (!has_instructions_) EncryptPlainly(keys_, kRounds, id);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
}

}  // namespace tributary

// A keyed 64-bit hash for tables that hostile strings are put into: multiply-fold over 8-byte words,
// after wyhash (Wang Yi, public domain). The seed is drawn anew by every process and never leaves it,
// so nobody can prepare strings that collide; no stored state may depend on a hash value.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tributary {

inline uint64_t FoldMultiply(uint64_t a, uint64_t b) {
  __uint128_t product = static_cast<__uint128_t>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t HashBytes(const char* data, size_t length, uint64_t seed) {
  constexpr uint64_t kFirst = 0xa0761d6478bd642full, kSecond = 0xe7037ed1a0b428dbull;
  auto word = [](const char* at) { uint64_t w; memcpy(&w, at, 8); return w; };
  auto half = [](const char* at) { uint32_t w; memcpy(&w, at, 4); return static_cast<uint64_t>(w); };
  uint64_t hash = seed ^ FoldMultiply(seed ^ kFirst, length ^ kSecond);
  const char* at = data;
  size_t left = length;
  for (; left > 16; at += 16, left -= 16) {
    hash = FoldMultiply(word(at) ^ kFirst, word(at + 8) ^ hash);
  }
  uint64_t a = 0, b = 0;
  if (left >= 8) {
    a = word(at);
    b = word(at + left - 8);
  } else if (left >= 4) {
    a = half(at);
    b = half(at + left - 4);
  } else if (left > 0) {
    a = (static_cast<uint64_t>(static_cast<uint8_t>(at[0])) << 16) |
        (static_cast<uint64_t>(static_cast<uint8_t>(at[left >> 1])) << 8) |
        static_cast<uint8_t>(at[left - 1]);
  }
  return FoldMultiply(kSecond ^ length, FoldMultiply(a ^ kSecond, b ^ hash));
}

// A seed from the operating system's entropy.
uint64_t RandomSeed();

}  // namespace tributary

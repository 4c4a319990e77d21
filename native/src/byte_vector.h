// Sixteen bytes that are looked at in one step, on any processor that the compiler knows vectors of.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tributary {

constexpr size_t kVectorBytes = 16;

// Comparing gives -1 in each lane where it holds.
typedef uint8_t Bytes __attribute__((vector_size(kVectorBytes)));
typedef int8_t Lanes __attribute__((vector_size(kVectorBytes)));
// Lanes as two words, the first lane in the lowest byte.
typedef uint64_t LaneWords __attribute__((vector_size(kVectorBytes)));

inline Bytes LoadBytes(const void* at) {
  Bytes bytes;
  memcpy(&bytes, at, sizeof(bytes));
  return bytes;
}

inline bool Any(Lanes lanes) {
#ifdef __SSE2__
  return _mm_movemask_epi8(reinterpret_cast<__m128i>(lanes)) != 0;
#else
  LaneWords words = reinterpret_cast<LaneWords>(lanes);
  return (words[0] | words[1]) != 0;
#endif
}

}  // namespace tributary

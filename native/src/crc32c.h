#pragma once
#include <cstddef>
#include <cstdint>

namespace tributary {

// CRC-32C of `length` bytes, continuing from `seed` (0 for a fresh one).
uint32_t Crc32c(uint32_t seed, const uint8_t* data, size_t length);

}  // namespace tributary

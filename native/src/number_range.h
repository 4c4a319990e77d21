// Tells a number that nothing of ours can hold from one that is none: simdjson calls both, and any stray character
// before '0', a number error.
#pragma once
#include <cstdint>

namespace tributary {

// Whether one of `count` tokens, which are offsets in `text`, begins a number of JSON's grammar that fits neither 64 bits
// nor a double. Meant for texts that were refused: it is slow.
bool HasNumberOutOfRange(const char* text, uint32_t length, const uint32_t* tokens, uint32_t count);

}  // namespace tributary

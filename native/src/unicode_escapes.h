// Half surrogate pairs in JSON: "\ud83d" without "\ude00" behind it. RFC 8259's grammar allows them, but
// they stand for no character and have no UTF-8. simdjson 0.9 refuses some and writes bytes that are not
// UTF-8 for the others, which SQL could not read back.
#pragma once
#include <cstddef>

namespace tributary {

// Whether a string of `json` holds half a surrogate pair as an escape. `json` is otherwise valid.
bool HasLoneSurrogate(const char* json, size_t length);

}  // namespace tributary

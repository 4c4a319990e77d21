// A run of memory that a checkpoint copies, piece by piece, out of a fold at rest and into a fresh one.
//
// JavaScript numbers the parts of an object and asks for ranges of them; a range that lies outside is
// refused, so that a wrong length in a file cannot reach beyond the memory.
#pragma once
#include <napi.h>

#include <cstdint>
#include <cstring>

namespace tributary {

struct StatePart {
  char* data = nullptr;
  uint64_t bytes = 0;

  bool Holds(uint64_t offset, uint64_t length) const {
    return offset <= bytes && length <= bytes - offset;
  }
};

// (part, offset, target): fills the Uint8Array `target` from the part. Returns whether it lies inside.
inline Napi::Value ReadPart(const Napi::CallbackInfo& info, const StatePart& part) {
  uint64_t offset = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  Napi::Uint8Array target = info[2].As<Napi::Uint8Array>();
  size_t length = target.ByteLength();
  bool inside = part.Holds(offset, length);
  // An empty array has no address, and memcpy takes none.
  if (inside && length > 0) memcpy(target.Data(), part.data + offset, length);
  return Napi::Boolean::New(info.Env(), inside);
}

// (part, offset, source): the other way.
inline Napi::Value WritePart(const Napi::CallbackInfo& info, const StatePart& part) {
  uint64_t offset = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
  Napi::Uint8Array source = info[2].As<Napi::Uint8Array>();
  size_t length = source.ByteLength();
  bool inside = part.Holds(offset, length);
  if (inside && length > 0) memcpy(part.data + offset, source.Data(), length);
  return Napi::Boolean::New(info.Env(), inside);
}

}  // namespace tributary

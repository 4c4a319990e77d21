// How JavaScript copies ranges of a StatePart out and in.
#pragma once
#include <napi.h>

#include <cstring>

#include "state_part.h"

namespace tributary {

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

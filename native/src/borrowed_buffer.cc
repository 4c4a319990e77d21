#include "borrowed_buffer.h"

#include <v8.h>

#include <cstring>
#include <utility>

namespace tributary {

Napi::ArrayBuffer BorrowedBuffer(Napi::Env env, void* data, size_t bytes) {
  // V8 leaves a buffer out of its count if there is nothing to do when it goes.
  auto store = v8::ArrayBuffer::NewBackingStore(data, bytes, v8::BackingStore::EmptyDeleter, nullptr);
  v8::Local<v8::ArrayBuffer> buffer =
      v8::ArrayBuffer::New(v8::Isolate::GetCurrent(), std::move(store));
  // A napi_value is a Local, in every Node there is; Node-API has no call that says so.
  static_assert(sizeof(napi_value) == sizeof(buffer), "a napi_value holds a Local");
  napi_value value;
  memcpy(&value, &buffer, sizeof(value));
  return Napi::ArrayBuffer(env, value);
}

}  // namespace tributary

// ArrayBuffers over memory that V8 neither owns nor counts.
//
// Why not napi_create_external_arraybuffer: V8 takes what that wraps for memory of its heap, sees gigabytes of
// reserved address space appear, and collects all garbage at once, for each buffer.
#pragma once
#include <napi.h>

#include <cstddef>

namespace tributary {

// The memory outlives every use of the buffer: whoever frees it detaches the buffer first.
Napi::ArrayBuffer BorrowedBuffer(Napi::Env env, void* data, size_t bytes);

}  // namespace tributary

// A shared file mapping that grows in place: the writer's side of all hot data.
//
// The whole reserved length is mapped once, so addresses never move. The file is sparse; Back() asks
// the file system for the blocks of a range before anybody touches it. On a full tmpfs that is a
// named error, where touching an unbacked page would be SIGBUS and the end of the process.
//
// Back(), BackAhead() and the getters may be called from any thread, the others by the owner alone.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace tributary {

class Region {
 public:
  Region() = default;
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Creates the file, in place of one of that name. Returns "" or the reason. The first `backed_bytes` are backed.
  // `huge`: what is asked for in whole blocks of 2 MiB, ahead or many at once, is put on huge pages.
  std::string Create(const std::string& path, uint64_t reserved_bytes, uint64_t backed_bytes,
                     bool huge = false);
  // Makes [offset, offset + bytes) safe to touch. Returns "" or the reason. Idempotent, and cheap
  // enough to call once per megabyte, not once per row.
  std::string Back(uint64_t offset, uint64_t bytes);
  // Asks the background thread to allocate the pages of a range that Back() will be asked for soon.
  // A hint: it promises nothing, and what it could not do is Back()'s to find out.
  void BackAhead(uint64_t offset, uint64_t bytes);
  void Close();

  uint8_t* base() const { return base_; }
  uint64_t reserved_bytes() const { return reserved_bytes_; }
  // Sum of the ranges given to Back(), page-rounded: an upper bound of the memory in use.
  uint64_t backed_bytes() const { return backed_bytes_.load(std::memory_order_relaxed); }

 private:
  // Maps the file where blocks of it lie on blocks of memory. Returns MAP_FAILED where that fails.
  void* MapAligned();

  int fd_ = -1;
  uint8_t* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  bool huge_ = false;
  std::atomic<uint64_t> backed_bytes_{0};
};

// The JavaScript face of a Region (NativeRegion in native/index.ts).
class RegionObject : public Napi::ObjectWrap<RegionObject> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit RegionObject(const Napi::CallbackInfo& info);
  Region& region() { return region_; }
  // The Region behind a JavaScript value, or nullptr when it is something else.
  static Region* FromValue(const Napi::Value& value);

 private:
  Napi::Value Buffer(const Napi::CallbackInfo& info);
  Napi::Value BackedBytes(const Napi::CallbackInfo& info);
  Napi::Value Back(const Napi::CallbackInfo& info);
  Napi::Value BackAhead(const Napi::CallbackInfo& info);
  Napi::Value Window(const Napi::CallbackInfo& info);
  Napi::Value Load32(const Napi::CallbackInfo& info);
  Napi::Value Store32(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  // The start of a range of the open region; nullptr and an exception when it is none.
  uint8_t* RangeAt(const Napi::CallbackInfo& info, uint64_t bytes);

  Region region_;
  Napi::Reference<Napi::ArrayBuffer> buffer_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> windows_;
};

void InitRegion(Napi::Env env, Napi::Object exports);

}  // namespace tributary

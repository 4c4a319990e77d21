// A shared file mapping that grows in place: the writer's side of all hot data.
//
// The whole reserved length is mapped once, so addresses never move. The file is sparse; Back() asks
// the file system for the blocks of a range before anybody touches it. On a full tmpfs that is a
// named error, where touching an unbacked page would be SIGBUS and the end of the process.
//
// A file whose content nobody needs any more may begin another life under another name: its pages stay,
// and Back() gives them out again. A reader that maps a file holds a shared flock on it, which the kernel
// keeps for as long as the mapping, so the exclusive one proves that nobody does.
//
// Back(), BackAhead() and the getters may be called from any thread, the others by the owner alone.
#pragma once
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "page_ranges.h"

namespace tributary {

// What Back() promises of bytes that were not backed before in this life.
enum class Contents {
  kZero,
  kAnything,  // for ranges that are read only where they were written
};

class Region {
 public:
  Region() = default;
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Creates the file, in place of one of that name. Returns "" or the reason. The first `backed_bytes` are backed.
  // `huge`: each block of 2 MiB is put on a huge page, before it is used where it is asked for whole, ahead or many at
  // once; else in the background, once all of it is backed.
  std::string Create(const std::string& path, uint64_t reserved_bytes, uint64_t backed_bytes,
                     bool huge = false);
  // Begins another life as `path`, in which nothing is backed but the first `backed_bytes`. Returns "" or
  // the reason, in which case the file stays what it was: a reader maps it, or it cannot be renamed.
  // Nobody can map it until AdmitReaders().
  std::string Reuse(const std::string& path, uint64_t backed_bytes);
  void AdmitReaders();
  // Makes [offset, offset + bytes) safe to touch. Returns "" or the reason. Idempotent, and cheap
  // enough to call once per megabyte, not once per row.
  std::string Back(uint64_t offset, uint64_t bytes, Contents contents = Contents::kZero);
  // Asks the background thread to allocate the pages of a range that Back() will be asked for soon.
  // A hint: it promises nothing, and what it could not do is Back()'s to find out.
  void BackAhead(uint64_t offset, uint64_t bytes);
  void Close();

  uint8_t* base() const { return base_; }
  uint64_t reserved_bytes() const { return reserved_bytes_; }
  // What was backed in this life, page-rounded: an upper bound of what is in use.
  uint64_t backed_bytes() const { return backed_bytes_.load(std::memory_order_relaxed); }
  // What was backed in any life: the memory that the file takes.
  uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  // Maps the file where blocks of it lie on blocks of memory. Returns MAP_FAILED where that fails.
  void* MapAligned();

  // Makes a range that was not backed in this life safe to touch; mutex_ is held.
  std::string MakeReady(uint64_t from, uint64_t to, Contents contents);
  // Returns 0 or an errno.
  int AllocatePages(uint64_t from, uint64_t to);
  // Has the block joined that backing this range has completed, if there is one.
  void JoinBlock(uint64_t from, uint64_t to);

  std::string path_;
  int fd_ = -1;
  uint8_t* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  bool huge_ = false;
  std::atomic<uint64_t> backed_bytes_{0};
  std::atomic<uint64_t> memory_bytes_{0};
  std::mutex mutex_;
  PageRanges backed_;  // in this life
  PageRanges made_;    // in any
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
  Napi::Value MemoryBytes(const Napi::CallbackInfo& info);
  Napi::Value Detach(const Napi::CallbackInfo& info);
  Napi::Value Reuse(const Napi::CallbackInfo& info);
  Napi::Value AdmitReaders(const Napi::CallbackInfo& info);
  Napi::Value Back(const Napi::CallbackInfo& info);
  Napi::Value BackAhead(const Napi::CallbackInfo& info);
  Napi::Value Window(const Napi::CallbackInfo& info);
  Napi::Value Load32(const Napi::CallbackInfo& info);
  Napi::Value Store32(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  // Takes all buffers away from JavaScript: a late access throws.
  void DetachBuffers();
  // The start of a range of the open region; nullptr and an exception when it is none.
  uint8_t* RangeAt(const Napi::CallbackInfo& info, uint64_t bytes);

  Region region_;
  Napi::Reference<Napi::ArrayBuffer> buffer_;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> windows_;
};

void InitRegion(Napi::Env env, Napi::Object exports);

}  // namespace tributary

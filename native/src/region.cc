#include "region.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "addon_data.h"
#include "borrowed_buffer.h"
#include "page_warmer.h"
#include "shared_pages.h"

namespace tributary {

namespace {

constexpr uint64_t kPage = 4096;
// Asked for at once, more than that is worth the wait for huge pages (shared_pages.h).
constexpr uint64_t kHugeAtOnceBytes = kHugePage;
constexpr int kWritable = PROT_READ | PROT_WRITE, kShared = MAP_SHARED | MAP_NORESERVE;

}  // namespace

Region::~Region() { Close(); }

std::string Region::Create(const std::string& path, uint64_t reserved_bytes, uint64_t backed_bytes,
                           bool huge) {
  // A reader may still map an old file of this name: cutting that one off would be its SIGBUS.
  unlink(path.c_str());
  fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd_ < 0) return std::string("open: ") + strerror(errno);
  reserved_bytes_ = (reserved_bytes + kPage - 1) / kPage * kPage;
  if (ftruncate(fd_, static_cast<off_t>(reserved_bytes_)) != 0) {
    return std::string("ftruncate: ") + strerror(errno);
  }
  huge_ = huge;
  void* address =
      huge ? MapAligned() : mmap(nullptr, reserved_bytes_, kWritable, kShared, fd_, 0);
  if (address == MAP_FAILED) return std::string("mmap: ") + strerror(errno);
  base_ = static_cast<uint8_t*>(address);
  path_ = path;
  return Back(0, backed_bytes);
}

void* Region::MapAligned() {
  uint64_t room = reserved_bytes_ + kHugePage;
  void* found = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return found;
  uint64_t begin = reinterpret_cast<uint64_t>(found);
  uint64_t base = (begin + kHugePage - 1) / kHugePage * kHugePage;
  void* address = mmap(reinterpret_cast<void*>(base), reserved_bytes_, kWritable, kShared | MAP_FIXED, fd_, 0);
  if (address == MAP_FAILED) {
    munmap(found, room);
    return address;
  }
  uint64_t end = base + reserved_bytes_;
  if (base > begin) munmap(found, base - begin);
  munmap(reinterpret_cast<void*>(end), begin + room - end);
  return address;
}

std::string Region::Reuse(const std::string& path, uint64_t backed_bytes) {
  if (base_ == nullptr) return "the region is closed";
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) return std::string("flock: ") + strerror(errno);
  if (rename(path_.c_str(), path.c_str()) != 0) {
    std::string failure = std::string("rename: ") + strerror(errno);
    AdmitReaders();
    return failure;
  }
  path_ = path;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    backed_.Clear();
    backed_bytes_.store(0, std::memory_order_relaxed);
  }
  return Back(0, backed_bytes);
}

void Region::AdmitReaders() { flock(fd_, LOCK_UN); }

std::string Region::Back(uint64_t offset, uint64_t bytes, Contents contents) {
  if (base_ == nullptr) return "the region is closed";
  if (bytes == 0) return "";
  if (offset > reserved_bytes_ || bytes > reserved_bytes_ - offset) {
    return "the reserved length of " + std::to_string(reserved_bytes_) + " bytes is used up";
  }
  uint64_t start = offset / kPage * kPage;
  uint64_t end = (offset + bytes + kPage - 1) / kPage * kPage;
  std::lock_guard<std::mutex> lock(mutex_);
  std::string failure;
  backed_.Split(start, end, [&](uint64_t from, uint64_t to, bool is_backed) {
    if (!is_backed && failure.empty()) failure = MakeReady(from, to, contents);
  });
  if (!failure.empty()) return failure;
  backed_bytes_.fetch_add(backed_.Add(start, end), std::memory_order_relaxed);
  if (huge_) JoinBlock(start, end);
  return "";
}

void Region::JoinBlock(uint64_t from, uint64_t to) {
  uint64_t block = from / kHugePage * kHugePage;
  bool is_complete = block < from && block + kHugePage <= to && backed_.Contains(block, from);
  if (is_complete) PageWarmer::Instance().AddToJoin(base_ + block);
}

std::string Region::MakeReady(uint64_t from, uint64_t to, Contents contents) {
  int failed = 0;
  made_.Split(from, to, [&](uint64_t part, uint64_t part_end, bool is_made) {
    if (is_made && contents == Contents::kZero) memset(base_ + part, 0, part_end - part);
    if (!is_made && failed == 0) failed = AllocatePages(part, part_end);
  });
  if (failed != 0) return strerror(failed);
  memory_bytes_.fetch_add(made_.Add(from, to), std::memory_order_relaxed);
  return "";
}

int Region::AllocatePages(uint64_t from, uint64_t to) {
  uint8_t* start = base_ + from;
  if (PageWarmer::Instance().Served(start, to - from)) return 0;
  if (huge_ && to - from > kHugeAtOnceBytes) MakeHugePages(start, to - from);
  int failed = huge_ ? PopulatePages(start, to - from) : PopulateFilePages(fd_, from, start, to - from);
  if (failed != EINVAL) return failed;
  do {
    failed = posix_fallocate(fd_, static_cast<off_t>(from), static_cast<off_t>(to - from));
  } while (failed == EINTR);
  return failed;
}

void Region::BackAhead(uint64_t offset, uint64_t bytes) {
  if (base_ == nullptr || bytes == 0 || offset >= reserved_bytes_) return;
  uint64_t start = offset / kPage * kPage;
  uint64_t end = std::min((offset + bytes + kPage - 1) / kPage * kPage, reserved_bytes_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (made_.Contains(start, end)) return;
  }
  PageWarmer::Instance().Add(fd_, start, base_ + start, end - start, huge_);
}

void Region::Close() {
  if (base_ != nullptr) {
    PageWarmer::Instance().Forget(base_, reserved_bytes_);
    munmap(base_, reserved_bytes_);
  }
  if (fd_ >= 0) close(fd_);
  base_ = nullptr;
  fd_ = -1;
}

Napi::Function RegionObject::Define(Napi::Env env) {
  return DefineClass(env, "Region",
                     {InstanceAccessor<&RegionObject::Buffer>("buffer"),
                      InstanceAccessor<&RegionObject::BackedBytes>("backedBytes"),
                      InstanceAccessor<&RegionObject::MemoryBytes>("memoryBytes"),
                      InstanceMethod<&RegionObject::Detach>("detach"),
                      InstanceMethod<&RegionObject::Reuse>("reuse"),
                      InstanceMethod<&RegionObject::AdmitReaders>("admitReaders"),
                      InstanceMethod<&RegionObject::Back>("back"),
                      InstanceMethod<&RegionObject::BackAhead>("backAhead"),
                      InstanceMethod<&RegionObject::Window>("window"),
                      InstanceMethod<&RegionObject::Load32>("load32"),
                      InstanceMethod<&RegionObject::Store32>("store32"),
                      InstanceMethod<&RegionObject::Write>("write"),
                      InstanceMethod<&RegionObject::Close>("close")});
}

RegionObject::RegionObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RegionObject>(info) {}

Region* RegionObject::FromValue(const Napi::Value& value) {
  if (!value.IsObject()) return nullptr;
  Napi::Object object = value.As<Napi::Object>();
  Napi::Function constructor = AddonData::Of(value.Env())->region_constructor.Value();
  if (!object.InstanceOf(constructor)) return nullptr;
  return &Napi::ObjectWrap<RegionObject>::Unwrap(object)->region_;
}

Napi::Value RegionObject::Buffer(const Napi::CallbackInfo& info) {
  if (buffer_.IsEmpty()) {
    if (region_.base() == nullptr) return info.Env().Undefined();
    // V8 does not own the memory: it lives until Close(), and the caller stops using it before.
    buffer_ = Napi::Reference<Napi::ArrayBuffer>::New(
        BorrowedBuffer(info.Env(), region_.base(), region_.reserved_bytes()), 1);
  }
  return buffer_.Value();
}

Napi::Value RegionObject::BackedBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(region_.backed_bytes()));
}

Napi::Value RegionObject::MemoryBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(region_.memory_bytes()));
}

Napi::Value RegionObject::Detach(const Napi::CallbackInfo& info) {
  DetachBuffers();
  return info.Env().Undefined();
}

// reuse(path, backedBytes): "" or why not.
Napi::Value RegionObject::Reuse(const Napi::CallbackInfo& info) {
  uint64_t backed_bytes = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
  return Napi::String::New(info.Env(), region_.Reuse(info[0].ToString(), backed_bytes));
}

Napi::Value RegionObject::AdmitReaders(const Napi::CallbackInfo& info) {
  region_.AdmitReaders();
  return info.Env().Undefined();
}

Napi::Value RegionObject::Back(const Napi::CallbackInfo& info) {
  uint64_t offset = static_cast<uint64_t>(info[0].ToNumber().Int64Value());
  uint64_t bytes = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
  return Napi::String::New(info.Env(), region_.Back(offset, bytes));
}

Napi::Value RegionObject::BackAhead(const Napi::CallbackInfo& info) {
  region_.BackAhead(static_cast<uint64_t>(info[0].ToNumber().Int64Value()),
                    static_cast<uint64_t>(info[1].ToNumber().Int64Value()));
  return info.Env().Undefined();
}

uint8_t* RegionObject::RangeAt(const Napi::CallbackInfo& info, uint64_t bytes) {
  uint64_t offset = static_cast<uint64_t>(info[0].ToNumber().Int64Value());
  uint64_t reserved = region_.reserved_bytes();
  if (region_.base() != nullptr && offset <= reserved && bytes <= reserved - offset) {
    return region_.base() + offset;
  }
  Napi::RangeError::New(info.Env(), "outside of an open region").ThrowAsJavaScriptException();
  return nullptr;
}

// window(offset, bytes): an ArrayBuffer over a part, each part at most once.
Napi::Value RegionObject::Window(const Napi::CallbackInfo& info) {
  uint64_t bytes = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
  uint8_t* start = RangeAt(info, bytes);
  if (start == nullptr) return info.Env().Undefined();
  Napi::ArrayBuffer window = BorrowedBuffer(info.Env(), start, bytes);
  windows_.push_back(Napi::Reference<Napi::ArrayBuffer>::New(window, 1));
  return window;
}

Napi::Value RegionObject::Load32(const Napi::CallbackInfo& info) {
  auto* word = reinterpret_cast<uint32_t*>(RangeAt(info, 4));
  if (word == nullptr) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), __atomic_load_n(word, __ATOMIC_ACQUIRE));
}

Napi::Value RegionObject::Store32(const Napi::CallbackInfo& info) {
  auto* word = reinterpret_cast<uint32_t*>(RangeAt(info, 4));
  if (word != nullptr) __atomic_store_n(word, info[1].ToNumber().Uint32Value(), __ATOMIC_RELEASE);
  return info.Env().Undefined();
}

Napi::Value RegionObject::Write(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  uint8_t* start = RangeAt(info, bytes.ByteLength());
  if (start != nullptr) memcpy(start, bytes.Data(), bytes.ByteLength());
  return info.Env().Undefined();
}

void RegionObject::DetachBuffers() {
  for (const auto& window : windows_) window.Value().Detach();
  windows_.clear();
  if (buffer_.IsEmpty()) return;
  buffer_.Value().Detach();
  buffer_.Reset();
}

Napi::Value RegionObject::Close(const Napi::CallbackInfo& info) {
  DetachBuffers();
  region_.Close();
  return info.Env().Undefined();
}

namespace {

// createRegion(path, reservedBytes, backedBytes, hugePages): a Region, or the reason as a string.
Napi::Value CreateRegion(const Napi::CallbackInfo& info) {
  Napi::Object object = AddonData::Of(info.Env())->region_constructor.New({});
  Region* region = RegionObject::FromValue(object);
  std::string failure =
      region->Create(info[0].ToString(), static_cast<uint64_t>(info[1].ToNumber().Int64Value()),
                     static_cast<uint64_t>(info[2].ToNumber().Int64Value()), info[3].ToBoolean());
  if (!failure.empty()) {
    region->Close();
    return Napi::String::New(info.Env(), failure);
  }
  return object;
}

// allocateAligned(bytes): zeroed, page-aligned memory that O_DIRECT reads and writes can take. Of the kernel, so
// that pages which nobody uses are never made: a log's buffers have room for records that rarely come. A process that is
// forked has none of it: otherwise a read that is under way meanwhile may end in the child's copy (open(2), O_DIRECT).
Napi::Value AllocateAligned(const Napi::CallbackInfo& info) {
  size_t bytes = static_cast<size_t>(info[0].ToNumber().Int64Value());
  size_t mapped = std::max<size_t>(bytes, 1);
  void* memory =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    Napi::Error::New(info.Env(), "out of memory").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  madvise(memory, mapped, MADV_DONTFORK);
  return Napi::ArrayBuffer::New(info.Env(), memory, bytes,
                                [mapped](Napi::Env, void* data) { munmap(data, mapped); });
}

}  // namespace

void InitRegion(Napi::Env env, Napi::Object exports) {
  AddonData::Of(env)->region_constructor = Napi::Persistent(RegionObject::Define(env));
  exports.Set("createRegion", Napi::Function::New(env, CreateRegion, "createRegion"));
  exports.Set("allocateAligned", Napi::Function::New(env, AllocateAligned, "allocateAligned"));
}

}  // namespace tributary

#include "page_warmer.h"

#include <pthread.h>

#include <algorithm>

#include "shared_pages.h"

namespace tributary {

namespace {
constexpr size_t kQueueMax = 1024;
// Served in small steps, so that Forget() never waits long.
constexpr uint64_t kStepBytes = 256 * 1024;
// Huge pages are made faster than that, but each call waits for all processors.
constexpr uint64_t kHugeStepBytes = 16 << 20;

uint64_t AddressOf(const uint8_t* byte) { return reinterpret_cast<uintptr_t>(byte); }
}  // namespace

PageWarmer& PageWarmer::Instance() {
  // Never destroyed: its thread runs until the process ends.
  static PageWarmer* warmer = new PageWarmer();
  return *warmer;
}

void PageWarmer::AddRange(const Range& range) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (queue_.size() >= kQueueMax) return;
  queue_.push_back(range);
  if (!started_) {
    started_ = true;
    std::thread([this] { Run(); }).detach();
  }
  changed_.notify_all();
}

void PageWarmer::Forget(uint8_t* start, uint64_t bytes) {
  std::unique_lock<std::mutex> lock(mutex_);
  queue_.erase(std::remove_if(queue_.begin(), queue_.end(),
                              [&](const Range& range) { return range.Within(start, bytes); }),
               queue_.end());
  changed_.wait(lock, [&] { return !serving_.Within(start, bytes); });
  served_.Remove(AddressOf(start), AddressOf(start) + bytes);
}

bool PageWarmer::Served(const uint8_t* start, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return served_.Contains(AddressOf(start), AddressOf(start) + bytes);
}

int PageWarmer::Serve(const Range& range) {
  switch (range.work) {
    case Work::kMake:
      return WarmPages(range.file, range.offset, range.start, range.bytes);
    case Work::kMakeHuge:
      MakeHugePages(range.start, range.bytes);
      return PopulatePages(range.start, range.bytes);
    default:
      JoinPages(range.start);
      return 0;
  }
}

void PageWarmer::Run() {
  pthread_setname_np(pthread_self(), "page-warmer");
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !queue_.empty(); });
    Range& next = queue_.front();
    serving_ = next;
    serving_.bytes = std::min(next.bytes, next.work == Work::kMake ? kStepBytes : kHugeStepBytes);
    next.offset += serving_.bytes;
    next.start += serving_.bytes;
    next.bytes -= serving_.bytes;
    if (next.bytes == 0) queue_.pop_front();
    Range step = serving_;
    lock.unlock();
    int failed = Serve(step);
    lock.lock();
    if (failed == 0) served_.Add(AddressOf(step.start), AddressOf(step.start) + step.bytes);
    serving_ = {};
    changed_.notify_all();
  }
}

}  // namespace tributary

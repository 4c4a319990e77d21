// Allocates pages of memory ahead of their use, in a background thread.
//
// A page of tmpfs has to be found, charged, zeroed and mapped: about half a microsecond for every
// event that is stored; a huge one has 2 MiB to be zeroed. Writers know early which pages come next, and
// another core can do that work. The thread starts with the first hint; hints that find the queue full are dropped.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "page_ranges.h"
#include "shared_pages.h"

namespace tributary {

class PageWarmer {
 public:
  static PageWarmer& Instance();
  // A range of a mapped file, which stays open until it was forgotten; `start` is byte `offset` of it. `huge`: of
  // 2 MiB where the range has whole blocks of them (shared_pages.h).
  void Add(int file, uint64_t offset, uint8_t* start, uint64_t bytes, bool huge) {
    AddRange({file, offset, start, bytes, huge ? Work::kMakeHuge : Work::kMake});
  }
  // A range of memory that is no file's. The kernel decides how large its pages are.
  void AddMemory(uint8_t* start, uint64_t bytes) { AddRange({kNoFile, 0, start, bytes, Work::kMake}); }
  // A block of 2 MiB that is in use on small pages, to be put on one.
  void AddToJoin(uint8_t* block) { AddRange({kNoFile, 0, block, kHugePage, Work::kJoin}); }
  // Whether all pages of a range were allocated by hints, so that nothing is left to do.
  bool Served(const uint8_t* start, uint64_t bytes);
  // Drops the hints inside a range and waits for one that is being served: call before unmapping.
  void Forget(uint8_t* start, uint64_t bytes);

 private:
  enum class Work { kMake, kMakeHuge, kJoin };
  struct Range {
    int file;
    uint64_t offset;
    uint8_t* start;
    uint64_t bytes;
    Work work;
    bool Within(const uint8_t* from, uint64_t length) const {
      return start >= from && start < from + length;
    }
  };

  static constexpr int kNoFile = -1;

  void AddRange(const Range& range);
  void Run();
  // Returns 0 or an errno.
  static int Serve(const Range& range);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Range> queue_;
  Range serving_{};
  PageRanges served_;  // of addresses
  bool started_ = false;
};

}  // namespace tributary

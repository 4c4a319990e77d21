#include "shared_pages.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace tributary {

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPagesPerBlock = kHugePage / kPage;
// Used pages are copied, which soon takes longer than making the small pages that are left.
constexpr int64_t kUsedPagesMax = 64;

// Returns 0 or an errno. Not every file system knows how.
int AllocateInFile(int file, uint64_t offset, uint64_t bytes) {
  int failed;
  do {
    failed = fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  } while (failed == EINTR);
  return failed;
}

bool IsLittleUsed(uint8_t* block) {
  unsigned char resident[kPagesPerBlock];
  if (mincore(block, kHugePage, resident) != 0) return false;
  return std::count_if(resident, resident + kPagesPerBlock,
                       [](unsigned char page) { return (page & 1) != 0; }) <= kUsedPagesMax;
}

}  // namespace

int PopulatePages(uint8_t* start, uint64_t bytes) {
  int failed;
  do {
    failed = madvise(start, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
  } while (failed == EINTR || failed == EAGAIN);
  // "A SIGBUS would have been generated": the file system has no room.
  return failed == EFAULT ? ENOSPC : failed;
}

int PopulateFilePages(int file, uint64_t offset, uint8_t* start, uint64_t bytes) {
  int failed = AllocateInFile(file, offset, bytes);
  return failed == ENOSPC ? failed : PopulatePages(start, bytes);
}

int WarmPages(int file, uint64_t offset, uint8_t* start, uint64_t bytes) {
  int failed = file < 0 ? 0 : AllocateInFile(file, offset, bytes);
  if (failed == ENOSPC) return failed;
  if (failed != 0) return PopulatePages(start, bytes);
  // Its owner may write at the same time.
  for (uint64_t at = 0; at < bytes; at += kPage) __atomic_fetch_or(start + at, 0, __ATOMIC_RELAXED);
  return 0;
}

void MakeHugePages(uint8_t* start, uint64_t bytes) {
  uint64_t first = reinterpret_cast<uint64_t>(start) / kHugePage * kHugePage;
  uint64_t end = reinterpret_cast<uint64_t>(start + bytes) / kHugePage * kHugePage;
  uint64_t run = first;
  // One call for neighbours, since each waits for all processors.
  auto make = [](uint64_t from, uint64_t until) {
    if (from < until) madvise(reinterpret_cast<void*>(from), until - from, MADV_COLLAPSE);
  };
  for (uint64_t at = first; at < end; at += kHugePage) {
    auto* block = reinterpret_cast<uint8_t*>(at);
    // A block that has no page at all is no file's to the kernel, and stays as it is.
    if (IsLittleUsed(block) && PopulatePages(block, kPage) == 0) continue;
    make(run, at);
    run = at + kHugePage;
  }
  make(run, end);
}

void JoinPages(uint8_t* block) { madvise(block, kHugePage, MADV_COLLAPSE); }

}  // namespace tributary

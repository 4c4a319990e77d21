// Making pages of memory before it is used: of a range at once, and of 2 MiB under what is read at random, where a
// look-up then misses the cache but not the TLB as well.
//
// Shared memory has them only where an administrator mounts it so, or where a process asks for each block
// (MADV_COLLAPSE, Linux 6.1), which works with the defaults of every distribution. Asked for before a block is
// used it costs a tenth of what 512 small pages do: nothing has to be copied, and one clearing makes all of it.
#pragma once
#include <cstdint>

namespace tributary {

constexpr uint64_t kHugePage = 2 << 20;

// Allocates and maps the pages of a range in one call (Linux 5.14). Returns 0 or an errno; EINVAL
// where the kernel does not know how, ENOSPC where touching the range would be a SIGBUS.
int PopulatePages(uint8_t* start, uint64_t bytes);

// The same for a range of a mapped file, from byte `offset` of it: what the file system makes in one call first takes
// a quarter less than a page fault each. The file need not be able to.
int PopulateFilePages(int file, uint64_t offset, uint8_t* start, uint64_t bytes);

// As PopulateFilePages(), or without a file (-1) for memory that no fault there can fail for, in the background: pages are
// mapped one by one, for a populating call keeps all others of the process from mapping and unmapping anything.
int WarmPages(int file, uint64_t offset, uint8_t* start, uint64_t bytes);

// Makes one page of each block of which little was allocated yet, from the one in which the range begins to the
// last that ends in it: all of them lie in one mapping. A hint: where the kernel does not know how, or has no such
// page left, blocks stay as they are. Waits for other processors, up to a time
// slice of theirs, so it belongs into the background, or to ranges of many blocks. The range stays mapped meanwhile.
void MakeHugePages(uint8_t* start, uint64_t bytes);

// Puts a block that is in use on one page. A hint like MakeHugePages(), and as slow; who writes to the block meanwhile
// waits for it to be copied.
void JoinPages(uint8_t* block);

}  // namespace tributary

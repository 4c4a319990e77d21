// Pages of 2 MiB under memory that is read at random: a look-up then misses the cache but not the TLB as well.
//
// Shared memory has them only where an administrator mounts it so, or where a process asks for each block
// (MADV_COLLAPSE, Linux 6.1), which works with the defaults of every distribution. Asked for before a block is
// used it costs a tenth of what 512 small pages do: nothing has to be copied, and one clearing makes all of it.
#pragma once
#include <cstdint>

namespace tributary {

constexpr uint64_t kHugePage = 2 << 20;

// Makes one page of each whole block in the range of which little was allocated yet. A hint: where the kernel
// does not know how, or has no such page left, blocks stay as they are. Waits for other processors, up to a time
// slice of theirs, so it belongs into the background, or to ranges of many blocks. The range stays mapped meanwhile.
void MakeHugePages(uint8_t* start, uint64_t bytes);

}  // namespace tributary

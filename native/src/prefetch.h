// Asks the processor for a cache line that is read soon.
//
// GCC takes a function that only prefetches for one without effect, and silently drops the calls of it that it has not
// inlined by then. The empty statement of assembler is an effect, and no instruction.
#pragma once

namespace tributary {

inline void PrefetchLine(const void* at) {
  __builtin_prefetch(at);
  asm volatile("");
}

}  // namespace tributary

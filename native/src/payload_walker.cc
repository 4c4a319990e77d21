#include "payload_walker.h"

namespace tributary {

namespace {

// What a structural token does to the depth: one table read instead of four comparisons.
struct DepthSteps {
  int8_t of[256];
  constexpr DepthSteps() : of() {
    of['{'] = of['['] = 1;
    of['}'] = of[']'] = -1;
  }
};
constexpr DepthSteps kDepthSteps;

}  // namespace

Slice PayloadWalker::RawBetween(uint32_t structural, uint32_t after) const {
  uint32_t start = structurals_[structural];
  uint32_t end = structurals_[after];
  while (end > start + 1) {
    char last = payload_[end - 1];
    if (last != ' ' && last != '\n' && last != '\r' && last != '\t') break;
    end--;
  }
  return {payload_ + start, end - start};
}

Position PayloadWalker::Skip(Position at) const {
  switch (type_at(at)) {
    case '{':
    case '[': {
      uint32_t structural = at.structural;
      int depth = 0;
      do {
        depth += kDepthSteps.of[static_cast<uint8_t>(payload_[structurals_[structural++]])];
      } while (depth > 0);
      return {tape_[at.tape] & 0xffffffffu, structural};
    }
    case 'l':
    case 'u':
    case 'd':
      return {at.tape + 2, at.structural + 1};
    default:
      return {at.tape + 1, at.structural + 1};
  }
}

uint64_t PayloadWalker::BehindOnTape(uint64_t tape) const {
  switch (type_at({tape, 0})) {
    case '{':
    case '[':
      return tape_[tape] & 0xffffffffu;
    case 'l':
    case 'u':
    case 'd':
      return tape + 2;
    default:
      return tape + 1;
  }
}

}  // namespace tributary

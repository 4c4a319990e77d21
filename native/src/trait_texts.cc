#include "trait_texts.h"

namespace tributary {

std::string TraitTexts::Create(const std::string& path, uint64_t units_max) {
  std::string failure = file_.Create(path, kTraitUnitBytes, units_max);
  return failure.empty() ? file_.Ensure(end_) : failure;
}

// 1, 2, 3, 4, 6, 8, 12, 16, … units: at most a third of the space is lost.
TraitTexts::Size TraitTexts::SizeOf(uint32_t bytes) {
  uint32_t needed = (bytes + kTraitUnitBytes - 1) / kTraitUnitBytes;
  Size size = {0, 1};
  for (uint32_t power = 1; size.units < needed; power *= 2) {
    size = {size.number + 1, power * 2};
    if (size.units >= needed) break;
    size = {size.number + 1, power * 3};
  }
  return size;
}

uint32_t TraitTexts::Allocate(uint32_t bytes, std::string* failure) {
  Size size = SizeOf(bytes);
  if (uint32_t unit = free_[size.number]; unit != 0) {
    memcpy(&free_[size.number], At(unit), sizeof(uint32_t));
    return unit;
  }
  *failure = file_.Ensure(end_ + size.units);
  if (!failure->empty()) return 0;
  uint32_t unit = static_cast<uint32_t>(end_);
  end_ += size.units;
  file_.Publish(end_);
  return unit;
}

void TraitTexts::Free(uint32_t unit, uint32_t bytes) {
  Size size = SizeOf(bytes);
  memset(At(unit), 0, uint64_t{size.units} * kTraitUnitBytes);
  memcpy(At(unit), &free_[size.number], sizeof(uint32_t));
  free_[size.number] = unit;
}

}  // namespace tributary

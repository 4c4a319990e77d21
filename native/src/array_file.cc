#include "array_file.h"

#include <algorithm>
#include <cstring>

namespace tributary {

std::string ArrayFile::Create(const std::string& path, uint32_t element_bytes, uint64_t count_max) {
  element_bytes_ = element_bytes;
  count_max_ = count_max;
  bytes_backed_ = 0;
  std::string failure = region_.Create(path, kPageBytes + element_bytes * count_max, kPageBytes);
  if (!failure.empty()) return failure;
  auto* header = reinterpret_cast<ArrayHeader*>(region_.base());
  header->format_version = kFormatVersion;
  header->element_bytes = element_bytes;
  header->published_count = 0;
  memcpy(header->magic, kArrayMagic, sizeof(kArrayMagic));
  return "";
}

std::string ArrayFile::Ensure(uint64_t count) {
  uint64_t bytes = count * element_bytes_;
  if (bytes <= bytes_backed_) return "";
  if (count > count_max_) return "the limit of " + std::to_string(count_max_) + " elements is reached";
  constexpr uint64_t kStep = 1 << 20;
  uint64_t goal = std::min((bytes + kStep - 1) / kStep * kStep, count_max_ * element_bytes_);
  std::string failure = region_.Back(kPageBytes + bytes_backed_, goal - bytes_backed_);
  if (!failure.empty()) return failure;
  bytes_backed_ = goal;
  region_.BackAhead(kPageBytes + goal, std::min(kStep, count_max_ * element_bytes_ - goal));
  return "";
}

}  // namespace tributary

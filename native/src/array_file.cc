#include "array_file.h"

#include <algorithm>
#include <cstring>

#include "shared_pages.h"

namespace tributary {

namespace {

constexpr uint64_t kStepMin = 64 << 10;

// A thirty-second of the file at most: memory that waits to be used is little beside what is. A power of two, so
// that steps of a huge page end where one does.
uint64_t StepOf(uint64_t file_bytes) {
  uint64_t step = kHugePage;
  while (step > kStepMin && step > file_bytes / 32) step /= 2;
  return step;
}

}  // namespace

std::string ArrayFile::Create(const std::string& path, uint32_t element_bytes, uint64_t count_max) {
  element_bytes_ = element_bytes;
  count_max_ = count_max;
  file_bytes_ = kPageBytes;
  std::string failure = region_.Create(path, FileBytes(count_max), kPageBytes, true);
  if (!failure.empty()) return failure;
  auto* header = reinterpret_cast<ArrayHeader*>(region_.base());
  header->format_version = kFormatVersion;
  header->element_bytes = element_bytes;
  header->published_count = 0;
  memcpy(header->magic, kArrayMagic, sizeof(kArrayMagic));
  return "";
}

std::string ArrayFile::Ensure(uint64_t count) {
  uint64_t needed = FileBytes(count), most = FileBytes(count_max_);
  if (needed <= file_bytes_) return "";
  if (count > count_max_) return "the limit of " + std::to_string(count_max_) + " elements is reached";
  uint64_t step = StepOf(needed);
  uint64_t goal = std::min((needed + step - 1) / step * step, most);
  std::string failure = region_.Back(file_bytes_, goal - file_bytes_);
  if (!failure.empty()) return failure;
  file_bytes_ = goal;
  region_.BackAhead(goal, std::min(step, most - goal));
  return "";
}

}  // namespace tributary

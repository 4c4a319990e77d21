// A piece of text that lives elsewhere; data is null when absent.
#pragma once
#include <cstdint>

namespace tributary {

struct Slice {
  const char* data = nullptr;
  uint32_t length = 0;
  bool present() const { return data != nullptr; }
};

}  // namespace tributary

// How values of identifiers are made comparable before they become nodes or are looked up, type by type.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "slice.h"

namespace tributary {

// What is done to a value, in this order whatever the order of the rules.
// The bits are shared with identity/identity-rules.ts.
enum NormalizeStep : uint8_t {
  kTrim = 1,    // ASCII white space at both ends
  kLower = 2,   // ASCII letters
  kDigits = 4,  // what is no digit goes
  kPhone = 8,   // as kDigits, with a leading + kept and a leading 00 taken for one
};

// Applies `steps` to `value`, in place.
void Normalize(uint8_t steps, std::string* value);

// The NormalizeStep bits of every type, by its number.
class NormalForms {
 public:
  NormalForms() = default;
  // Types behind the first `count` keep their values as they are.
  NormalForms(const uint8_t* steps, size_t count) {
    std::copy(steps, steps + std::min(count, sizeof(steps_)), steps_);
  }

  uint8_t steps(uint8_t type) const { return steps_[type]; }

  // The comparable form of a value; itself, or in `scratch`. Absent when nothing is left of it.
  Slice Of(uint8_t type, const Slice& value, std::string* scratch) const {
    if (steps_[type] == 0 || !value.present()) return value;
    scratch->assign(value.data, value.length);
    Normalize(steps_[type], scratch);
    if (scratch->empty()) return {};
    return {scratch->data(), static_cast<uint32_t>(scratch->size())};
  }

 private:
  uint8_t steps_[256] = {};
};

}  // namespace tributary

#include "normal_form.h"

#include <algorithm>

namespace tributary {

namespace {

bool IsSpace(char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
bool IsDigit(char byte) { return byte >= '0' && byte <= '9'; }

void Trim(std::string* value) {
  size_t start = 0, end = value->size();
  while (end > start && IsSpace((*value)[end - 1])) end--;
  while (start < end && IsSpace((*value)[start])) start++;
  *value = value->substr(start, end - start);
}

void KeepDigits(std::string* value) {
  value->erase(std::remove_if(value->begin(), value->end(), [](char c) { return !IsDigit(c); }),
               value->end());
}

void NormalizePhone(std::string* value) {
  bool is_international = !value->empty() && value->front() == '+';
  KeepDigits(value);
  if (!is_international && value->compare(0, 2, "00") == 0) {
    is_international = true;
    value->erase(0, 2);
  }
  if (is_international && !value->empty()) value->insert(value->begin(), '+');
}

}  // namespace

void Normalize(uint8_t steps, std::string* value) {
  if (steps & (kTrim | kPhone)) Trim(value);
  if (steps & kLower) {
    for (char& byte : *value) {
      if (byte >= 'A' && byte <= 'Z') byte |= 0x20;
    }
  }
  if (steps & kDigits) KeepDigits(value);
  if (steps & kPhone) NormalizePhone(value);
}

}  // namespace tributary

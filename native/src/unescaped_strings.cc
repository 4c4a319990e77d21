#include "unescaped_strings.h"

#include "json_text.h"

namespace tributary {

Slice UnescapedStrings::Add(const Slice& escaped) {
  if (used_ == strings_.size()) strings_.emplace_back();
  std::string& string = strings_[used_++];
  Unescape(escaped, &string);
  return {string.data(), static_cast<uint32_t>(string.size())};
}

}  // namespace tributary

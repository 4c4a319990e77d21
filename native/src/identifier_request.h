// The identifiers that a look-up asks for, taken from its JSON in one pass. The grammar, which
// identity/resolve-request.ts has in full:
//
//     [{"type":"user_id","value":"ada"}, …]        {"type":"user_id","values":["ada", …]}
//     {"resolve": either of these, "id": 7}
//
// What is not exactly that (another member, an unknown type, half of a surrogate pair) is left to
// JavaScript, which takes it or says what is wrong.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "segment_rows.h"
#include "simdjson.h"

namespace tributary {

struct TypedText {
  Slice value;
  uint8_t type;
};

class IdentifierRequest {
 public:
  // Whether `json` is a plain request of at most `most` identifiers; `types` has the name of type n at
  // n - 1. What is told of it below lasts until the next call.
  bool Parse(const char* json, size_t length, const std::vector<std::string>& types, size_t most);

  const std::vector<TypedText>& identifiers() const { return identifiers_; }
  // The id in front of `resolve`, 0 without one.
  uint32_t id() const { return id_; }

 private:
  bool TakeAll(const simdjson::dom::element& given);
  bool TakeList(const simdjson::dom::array& list);
  bool TakeValues(const simdjson::dom::object& group);
  bool Take(uint8_t type, const simdjson::dom::element& value);
  uint8_t TypeOf(const simdjson::dom::element& name);

  simdjson::dom::parser parser_;
  std::vector<TypedText> identifiers_;
  const std::vector<std::string>* types_ = nullptr;
  size_t most_ = 0;
  uint32_t id_ = 0;
  uint8_t last_type_ = 0;  // of the name that came last: neighbours have the same
};

}  // namespace tributary

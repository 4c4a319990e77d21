#include "identifier_request.h"

#include <string_view>

#include "byte_order_mark.h"

namespace tributary {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

bool IdentifierRequest::Parse(const char* json, size_t length, const std::vector<std::string>& types,
                              size_t most) {
  identifiers_.clear();
  types_ = &types;
  most_ = most;
  id_ = 0;
  last_type_ = 0;
  element root;
  if (HasByteOrderMark(json, length) || parser_.parse(json, length).get(root)) return false;
  object outer;
  element inner;
  if (root.get(outer) || outer["resolve"].get(inner)) return TakeAll(root);
  element given;
  uint64_t id;
  if (outer.size() != 2 || outer["id"].get(given) || given.get(id) || id > UINT32_MAX) return false;
  id_ = static_cast<uint32_t>(id);
  return TakeAll(inner);
}

bool IdentifierRequest::TakeAll(const element& given) {
  array list;
  object group;
  if (!given.get(list)) return TakeList(list);
  return !given.get(group) && TakeValues(group);
}

bool IdentifierRequest::TakeList(const array& list) {
  for (element entry : list) {
    object identifier;
    if (entry.get(identifier)) return false;
    uint8_t type = 0;
    element value;
    bool has_value = false;
    for (auto field : identifier) {
      if (field.key == "type") {
        type = TypeOf(field.value);
      } else if (field.key == "value") {
        value = field.value;
        has_value = true;
      } else {
        return false;
      }
    }
    if (type == 0 || !has_value || !Take(type, value)) return false;
  }
  return true;
}

bool IdentifierRequest::TakeValues(const object& group) {
  element name, given;
  array values;
  if (group.size() != 2 || group["type"].get(name) || group["values"].get(given)) return false;
  uint8_t type = TypeOf(name);
  if (type == 0 || given.get(values)) return false;
  for (element value : values) {
    if (!Take(type, value)) return false;
  }
  return true;
}

bool IdentifierRequest::Take(uint8_t type, const element& value) {
  std::string_view text;
  if (identifiers_.size() == most_ || value.get(text)) return false;
  identifiers_.push_back({{text.data(), static_cast<uint32_t>(text.size())}, type});
  return true;
}

uint8_t IdentifierRequest::TypeOf(const element& name) {
  std::string_view text;
  if (name.get(text)) return 0;
  if (last_type_ != 0 && (*types_)[last_type_ - 1] == text) return last_type_;
  for (size_t i = 0; i < types_->size(); i++) {
    if ((*types_)[i] == text) return last_type_ = static_cast<uint8_t>(i + 1);
  }
  return 0;
}

}  // namespace tributary

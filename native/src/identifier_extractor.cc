#include "identifier_extractor.h"

#include <algorithm>
#include <cstring>

#include "byte_vector.h"
#include "json_text.h"

namespace tributary {

namespace {

constexpr uint32_t kExternalIdsMax = 16;  // of one event; further ones are not looked at

constexpr ptrdiff_t kBlockBytes = kVectorBytes;

Bytes Fill(char byte) {
  uint8_t value = static_cast<uint8_t>(byte);
  return Bytes{} + value;
}

// Calls is_found(index) for the lanes of a comparison's result that are set, until it says so.
template <typename IsFound>
bool AnyOf(const Lanes& mask, IsFound is_found) {
  LaneWords words = reinterpret_cast<LaneWords>(mask);
  for (uint32_t half = 0; half < 2; half++) {
    for (uint64_t left = words[half]; left != 0;) {
      uint32_t byte = __builtin_ctzll(left) / 8;
      if (is_found(half * 8 + byte)) return true;
      left &= ~(uint64_t{0xff} << (byte * 8));
    }
  }
  return false;
}

// Whether the JSON value that begins with this byte is one.
bool IsStringOrNumber(char first) {
  return first == '"' || first == '-' || (first >= '0' && first <= '9');
}

}  // namespace

// `properties`, `traits` and `context` among the columns of `events`.
const uint32_t IdentifierExtractor::kColumnOrdinals[kColumnCount] = {15, 16, 17};

void IdentifierExtractor::Configure(const std::vector<Path>& paths, uint32_t value_bytes_max) {
  paths_ = paths;
  value_bytes_max_ = value_bytes_max;
  for (auto& tree : trees_) tree.assign(1, Node{});
  for (uint32_t path = 0; path < paths.size(); path++) {
    auto& tree = trees_[paths[path].column];
    uint32_t node = 0;
    for (const std::string& key : paths[path].keys) {
      uint32_t next = 0;
      for (uint32_t child : tree[node].children) {
        if (tree[child].key == key) next = child;
      }
      if (next == 0) {
        next = static_cast<uint32_t>(tree.size());
        tree.push_back(Node{key, {}, {}});
        tree[node].children.push_back(next);
      }
      node = next;
    }
    tree[node].paths.push_back(path);
  }
  for (uint8_t column = 0; column < kColumnCount; column++) {
    const auto& tree = trees_[column];
    std::string& firsts = first_bytes_[column];
    firsts.clear();
    for (uint32_t child : tree[0].children) {
      if (firsts.find(tree[child].key[0]) == std::string::npos) firsts.push_back(tree[child].key[0]);
    }
  }
}

// Whether a key of the column's object might be one that is looked for. An escape anywhere might hide one.
bool IdentifierExtractor::MayMention(uint8_t column, const Slice& text) const {
  const auto& tree = trees_[column];
  const char* at = text.data;
  const char* end = at + text.length;
  const Bytes quote = Fill('"'), escape = Fill('\\');
  Bytes firsts[kFirstBytesMax];
  const size_t count = first_bytes_[column].size();
  for (size_t i = 0; i < count; i++) firsts[i] = Fill(first_bytes_[column][i]);
  // Which bytes of a block are quotes before a first byte, or escapes.
  auto mask_at = [&](const char* block) {
    Bytes here = LoadBytes(block), next = LoadBytes(block + 1);
    Lanes is_first = next == firsts[0];
    for (size_t i = 1; i < count; i++) is_first |= next == firsts[i];
    return ((here == quote) & is_first) | (here == escape);
  };
  auto mentions = [&](const char* block, const Lanes& mask) {
    return AnyOf(mask, [&](uint32_t index) {
      return block[index] == '\\' || HasKeyAt(tree, block + index, end);
    });
  };
  constexpr ptrdiff_t kReach = kBlockBytes + 1;
  constexpr ptrdiff_t kTogether = 4;
  if (end - at < kReach) return true;  // hardly longer than one member: reading it is as cheap
  for (; end - at > kTogether * kBlockBytes; at += kTogether * kBlockBytes) {
    Lanes masks[kTogether], any{};
    for (ptrdiff_t i = 0; i < kTogether; i++) any |= masks[i] = mask_at(at + i * kBlockBytes);
    if (!Any(any)) continue;
    for (ptrdiff_t i = 0; i < kTogether; i++) {
      if (mentions(at + i * kBlockBytes, masks[i])) return true;
    }
  }
  for (; end - at >= kReach; at += kBlockBytes) {
    if (mentions(at, mask_at(at))) return true;
  }
  at = end - kReach;  // the rest, and some of it again; the last byte is the brace
  return mentions(at, mask_at(at));
}

bool IdentifierExtractor::HasKeyAt(const std::vector<Node>& tree, const char* at,
                                   const char* end) const {
  for (uint32_t child : tree[0].children) {
    const std::string& key = tree[child].key;
    if (static_cast<size_t>(end - at) > key.size() + 2 && at[key.size() + 1] == '"' &&
        memcmp(at + 1, key.data(), key.size()) == 0) {
      return true;
    }
  }
  return false;
}

void IdentifierExtractor::Search(uint8_t column, const Slice& text) {
  JsonText json(text);
  if (json.Peek() == '{') Walk(column, 0, &json);
}

void IdentifierExtractor::Walk(uint8_t column, uint32_t at, JsonText* json) {
  const auto& tree = trees_[column];
  json->EachMember([&](Slice key) {
    if (memchr(key.data, '\\', key.length) != nullptr) {
      Unescape(key, &key_);
      key = {key_.data(), static_cast<uint32_t>(key_.size())};
    }
    for (uint32_t child : tree[at].children) {
      const Node& node = tree[child];
      if (node.key.size() != key.length || memcmp(node.key.data(), key.data, key.length) != 0) {
        continue;
      }
      Forget(column, child);
      char type = json->Peek();
      if (type == '{' && !node.children.empty()) return Walk(column, child, json);
      if (type == '[' && !node.paths.empty()) return ReadExternalList(node, json);
      bool is_value = IsStringOrNumber(type);
      Slice text = json->Take();
      for (uint32_t path : node.paths) {
        if (is_value && !paths_[path].is_external_list) {
          found_.push_back({path, text, type == '"', Slice{}});
        }
      }
      return;
    }
    json->Take();
  });
}

void IdentifierExtractor::ReadExternalList(const Node& node, JsonText* json) {
  uint32_t entries = 0;
  json->EachElement([&] {
    Slice id, type;
    bool is_string = false;
    if (json->Peek() != '{' || ++entries > kExternalIdsMax) {
      json->Take();
      return;
    }
    json->EachMember([&](Slice key) {
      char first = json->Peek();
      bool is_value = IsStringOrNumber(first);
      Slice text = json->Take();
      if (key.length == 2 && memcmp(key.data, "id", 2) == 0) {
        id = is_value ? text : Slice{};
        is_string = first == '"';
      }
      if (key.length == 4 && memcmp(key.data, "type", 4) == 0) type = first == '"' ? text : Slice{};
    });
    if (!id.present() || !type.present()) return;
    for (uint32_t path : node.paths) {
      const std::string& wanted = paths_[path].external_type;
      bool is_wanted = wanted.empty() || (wanted.size() == type.length &&
                                          memcmp(wanted.data(), type.data, type.length) == 0);
      if (paths_[path].is_external_list && is_wanted) found_.push_back({path, id, is_string, type});
    }
  });
}

// Drops what an earlier value of a repeated key gave.
void IdentifierExtractor::Forget(uint8_t column, uint32_t at) {
  if (found_.empty()) return;
  const Node& node = trees_[column][at];
  auto is_below = [&](const Found& found) {
    return std::find(node.paths.begin(), node.paths.end(), found.path) != node.paths.end();
  };
  found_.erase(std::remove_if(found_.begin(), found_.end(), is_below), found_.end());
  for (uint32_t child : node.children) Forget(column, child);
}

// Leaves the normalised value in value_; false when there is none.
bool IdentifierExtractor::Read(const Found& found) {
  const Path& path = paths_[found.path];
  if (found.is_string && memchr(found.text.data, '\\', found.text.length) != nullptr) {
    Unescape(found.text, &value_);
  } else {
    value_.assign(found.text.data, found.text.length);
  }
  Normalize(path.steps, &value_);
  if (value_.empty()) return false;
  if (path.is_external_list && path.external_type.empty()) {
    std::string type;
    Unescape(found.external_type, &type);
    value_.insert(0, type + ":");
  }
  return value_.size() <= value_bytes_max_;
}

}  // namespace tributary

// What identity's shared arrays say of a node and of a profile by name: the reader's side, for SQL.
//
// - Ordinals that are not published yet, and files that are not there yet, have no name.
// - Texts point into the mapping, which lives as long as the object.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "duckdb_api.h"
#include "hot_directory.h"
#include "node_values.h"
#include "profile_id_cipher.h"

namespace tributary {

// DuckDB keeps a UUID as a hugeint whose top bit is flipped, so that its order is that of the text.
inline DuckdbHugeint UuidOf(const uint8_t* bytes) {
  uint64_t upper;
  uint64_t lower;
  memcpy(&upper, bytes, 8);
  memcpy(&lower, bytes + 8, 8);
  upper = __builtin_bswap64(upper) ^ (uint64_t{1} << 63);
  return {__builtin_bswap64(lower), static_cast<int64_t>(upper)};
}

// The values of identifiers by node; strings point into the mapping.
class IdentifierValues {
 public:
  IdentifierValues()
      : blocks_(HotDirectory::Instance().Array("node_values")),
        bytes_(HotDirectory::Instance().Array("identifier_values")) {}

  // False when the node has no value, or none any more.
  bool Find(uint32_t node, DuckdbString* value) const {
    NodeEntry entry = Published(node);
    if (entry.end == 0 || bytes_.elements()[entry.start] == kErasedType) return false;
    *value = StringOver(reinterpret_cast<const char*>(bytes_.elements() + entry.start + 1),
                        static_cast<uint32_t>(entry.end - entry.start - 1));
    return true;
  }

  // The number of its type, which lies before the value; 0 when the node has no value, or none any more.
  uint8_t TypeOf(uint32_t node) const {
    NodeEntry entry = Published(node);
    return entry.end == 0 ? 0 : bytes_.elements()[entry.start];
  }

 private:
  NodeEntry Published(uint32_t node) const {
    uint64_t blocks = std::min(blocks_.count(), blocks_.CapacityOf(sizeof(NodeBlock)));
    if (node == 0 || (node - 1) / kBlockNodes >= blocks) return {};
    NodeEntry entry = EntryOf(blocks_.As<NodeBlock>(), node);
    uint64_t bytes = std::min(bytes_.count(), bytes_.CapacityOf(1));
    // The start of a damaged block may be anything.
    return entry.start < entry.end && entry.end <= bytes ? entry : NodeEntry{};
  }

  MappedArray blocks_, bytes_;
};

// The public ids of profiles, made from their ordinals.
class PublicIds {
 public:
  PublicIds()
      : heads_(HotDirectory::Instance().Array("profile_heads")),
        key_(HotDirectory::Instance().Array("profile_key")) {
    constexpr uint8_t kNone[kProfileIdBytes] = {};
    bool has_key = key_.count() > 0 && key_.CapacityOf(kProfileIdBytes) > 0;
    cipher_ = ProfileIdCipher(has_key ? key_.elements() : kNone);
    count_ = has_key ? std::min(heads_.count(), heads_.CapacityOf(4)) : 0;
  }
  // Ordinals below it are published.
  uint64_t count() const { return count_; }
  DuckdbHugeint Of(uint32_t profile) const {
    uint8_t id[kProfileIdBytes];
    cipher_.Write(profile, id);
    return UuidOf(id);
  }

 private:
  MappedArray heads_, key_;
  ProfileIdCipher cipher_;
  uint64_t count_ = 0;
};

}  // namespace tributary

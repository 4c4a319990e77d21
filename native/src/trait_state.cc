#include "trait_state.h"

#include <algorithm>

namespace tributary {
namespace {

constexpr uint64_t kHeadBytes = 3;
constexpr uint64_t kKeyBytes = 3;    // before its name
constexpr uint64_t kValueBytes = 24;  // before its text
constexpr uint64_t kPieceBytes = 1 << 16;

template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T Load(const char* at) {
  T value;
  memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace

uint64_t TraitState::bytes() const {
  uint64_t bytes = kHeadBytes;
  if (!store_->failure().empty()) return bytes;
  for (const TraitKey& key : store_->keys_) bytes += kKeyBytes + key.name.size();
  for (uint32_t cell = 1; cell < store_->cell_count_; cell += 1) {
    const TraitCell& value = store_->CellAt(cell);
    if (SlotOf(value.moment) != 0) bytes += kValueBytes + value.length;
  }
  return bytes;
}

bool TraitState::Read(uint64_t offset, char* target, uint64_t length) {
  if (offset < piece_at_) Rewind();
  while (length > 0) {
    if (offset >= piece_at_ + piece_.size()) {
      if (!NextPiece()) return false;
      continue;
    }
    uint64_t from = offset - piece_at_;
    uint64_t copied = std::min<uint64_t>(length, piece_.size() - from);
    memcpy(target, piece_.data() + from, copied);
    target += copied;
    offset += copied;
    length -= copied;
  }
  return true;
}

void TraitState::Rewind() {
  piece_at_ = 0;
  anchor_ = 0;
  piece_.clear();
}

bool TraitState::NextPiece() {
  piece_at_ += piece_.size();
  piece_.clear();
  if (anchor_ == 0) {
    AppendKeys();
    anchor_ = 1;
    return true;
  }
  if (!store_->failure().empty()) return false;
  for (; anchor_ < store_->anchor_count_ && piece_.size() < kPieceBytes; anchor_ += 1) {
    AppendAnchor(static_cast<uint32_t>(anchor_));
  }
  return !piece_.empty();
}

void TraitState::AppendKeys() {
  static const std::vector<TraitKey> kNone;
  const auto& keys = store_->failure().empty() ? store_->keys_ : kNone;
  Append(&piece_, static_cast<uint16_t>(keys.size()));
  Append(&piece_, store_->last_slot_);
  for (const TraitKey& key : keys) {
    Append(&piece_, key.slot);
    Append(&piece_, static_cast<uint8_t>(key.is_complete));
    Append(&piece_, static_cast<uint8_t>(key.name.size()));
    piece_ += key.name;
  }
}

void TraitState::AppendAnchor(uint32_t anchor) {
  const TraitCell* values[kTraitSlotMask];
  uint32_t count = 0;
  uint32_t cell = store_->heads_.data<uint32_t>()[anchor];
  for (; cell != 0; cell = store_->CellAt(cell).next) {
    const TraitCell& value = store_->CellAt(cell);
    if (SlotOf(value.moment) != 0) values[count++] = &value;
  }
  std::sort(values, values + count, [](const TraitCell* a, const TraitCell* b) {
    return SlotOf(a->moment) < SlotOf(b->moment);
  });
  for (uint32_t index = 0; index < count; index += 1) {
    const TraitCell& value = *values[index];
    Slice text = store_->ValueOf(value);
    Append(&piece_, anchor);
    Append(&piece_, value.length);
    Append(&piece_, value.moment);
    Append(&piece_, value.micros);
    piece_.append(text.data, text.length);
  }
}

bool TraitState::Write(const char* bytes, uint64_t length) {
  taken_.append(bytes, length);
  uint64_t at = 0;
  bool is_sound = true;
  while (is_sound) {
    const char* next = taken_.data() + at;
    uint64_t left = taken_.size() - at;
    uint64_t taken = has_keys_ ? TakeValue(next, left, &is_sound) : TakeKeys(next, left, &is_sound);
    if (taken == 0) break;
    at += taken;
  }
  taken_.erase(0, at);
  return is_sound && store_->failure().empty();
}

// Both return how many bytes they took; 0 when there must come more.
uint64_t TraitState::TakeKeys(const char* bytes, uint64_t length, bool* is_sound) {
  if (length < kHeadBytes) return 0;
  uint16_t count = Load<uint16_t>(bytes);
  std::vector<TraitKey> keys;
  uint64_t at = kHeadBytes;
  for (uint16_t index = 0; index < count; index += 1) {
    if (length < at + kKeyBytes) return 0;
    uint8_t name_bytes = static_cast<uint8_t>(bytes[at + 2]);
    if (length < at + kKeyBytes + name_bytes) return 0;
    keys.push_back({std::string(bytes + at + kKeyBytes, name_bytes),
                    static_cast<uint8_t>(bytes[at]), bytes[at + 1] != 0});
    *is_sound = *is_sound && keys.back().slot != 0;
    at += kKeyBytes + name_bytes;
  }
  *is_sound = *is_sound && count < kTraitSlotMask;
  if (!*is_sound) return 0;
  store_->last_slot_ = static_cast<uint8_t>(bytes[2]);
  store_->keys_ = std::move(keys);
  store_->IndexKeys();
  has_keys_ = true;
  return at;
}

uint64_t TraitState::TakeValue(const char* bytes, uint64_t length, bool* is_sound) {
  if (length < kValueBytes) return 0;
  uint32_t anchor = Load<uint32_t>(bytes);
  uint32_t text_bytes = Load<uint32_t>(bytes + 4);
  uint64_t moment = Load<uint64_t>(bytes + 8);
  if (anchor == 0 || text_bytes == 0 || SlotOf(moment) == 0) *is_sound = false;
  if (!*is_sound || length < kValueBytes + text_bytes) return 0;
  store_->Put(anchor, SlotOf(moment), Load<int64_t>(bytes + 16), SequenceOf(moment),
              {bytes + kValueBytes, text_bytes});
  return kValueBytes + text_bytes;
}

}  // namespace tributary

// The answer to a request for the profiles of many identifiers: from their nodes to a JSON array of public
// ids, with no object made for any of them.
//
// - Each node leads to a word and each word to a profile, both at random places of arrays larger than any
//   cache: a block of nodes fetches the lines of all its words, then those of all its profiles.
// - It runs in the main thread, which alone changes both arrays.
#include <napi.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "profile_id_cipher.h"

namespace tributary {

namespace {

// Shared with identity/node-words.ts.
constexpr uint32_t kAnchorMask = (1u << 28) - 1, kClosed = 1u << 28, kBlocked = 1u << 30;

constexpr size_t kBlock = 16;  // nodes whose lines are fetched together
constexpr size_t kUuidBytes = 36;
constexpr size_t kEntryBytesMax = kUuidBytes + 3;  // in quotes, and a comma

// The anchor that takes the events of an identifier now; 0 when it names nobody.
uint32_t OpenAnchor(uint32_t word) { return (word & (kClosed | kBlocked)) == 0 ? word & kAnchorMask : 0; }

constexpr std::array<char, 512> MakeHexadecimal() {
  std::array<char, 512> pairs{};
  for (int byte = 0; byte < 256; byte++) {
    pairs[2 * byte] = "0123456789abcdef"[byte >> 4];
    pairs[2 * byte + 1] = "0123456789abcdef"[byte & 15];
  }
  return pairs;
}
constexpr std::array<char, 512> kHexadecimal = MakeHexadecimal();

// Writes the 36 characters of a UUID. Returns the position behind them.
char* WriteUuid(const uint8_t* id, char* at) {
  for (uint32_t i = 0; i < kProfileIdBytes; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    memcpy(at, &kHexadecimal[2 * id[i]], 2);
    at += 2;
  }
  return at;
}

char* WriteEntry(uint32_t profile, const ProfileIdCipher& cipher, char* at) {
  if (profile == 0) {
    memcpy(at, "null,", 5);
    return at + 5;
  }
  uint8_t id[kProfileIdBytes];
  cipher.Write(profile, id);
  *at++ = '"';
  at = WriteUuid(id, at);
  *at++ = '"';
  *at++ = ',';
  return at;
}

// writeProfiles(nodes, count, words, profileOf, key, answer): writes a JSON array with the public id, or
// null, of each of the `count` nodes behind nodes[0]; 0 stands for an identifier that was never seen. Returns
// its bytes, -1 when the arguments make no sense.
Napi::Value WriteProfiles(const Napi::CallbackInfo& info) {
  Napi::Uint32Array nodes = info[0].As<Napi::Uint32Array>();
  size_t count = info[1].As<Napi::Number>().Uint32Value();
  Napi::Uint32Array profile_of = info[3].As<Napi::Uint32Array>();
  Napi::Uint8Array key = info[4].As<Napi::Uint8Array>();
  Napi::Uint8Array answer = info[5].As<Napi::Uint8Array>();
  if (count >= nodes.ElementLength() || key.ByteLength() != 16 ||
      2 + count * kEntryBytesMax > answer.ByteLength()) {
    return Napi::Number::New(info.Env(), -1);
  }
  const uint32_t* node_of = nodes.Data() + 1;
  const int32_t* words = info[2].As<Napi::Int32Array>().Data();
  const uint32_t* profiles = profile_of.Data();
  ProfileIdCipher cipher(key.Data());
  char* const start = reinterpret_cast<char*>(answer.Data());
  char* at = start;
  *at++ = '[';
  for (size_t done = 0; done < count; done += kBlock) {
    size_t block = std::min(kBlock, count - done);
    uint32_t anchors[kBlock];
    for (size_t i = 0; i < block; i++) __builtin_prefetch(words + node_of[done + i]);
    for (size_t i = 0; i < block; i++) {
      uint32_t node = node_of[done + i];
      anchors[i] = node == 0 ? 0 : OpenAnchor(static_cast<uint32_t>(words[node]));
      __builtin_prefetch(profiles + anchors[i]);
    }
    for (size_t i = 0; i < block; i++) {
      at = WriteEntry(anchors[i] == 0 ? 0 : profiles[anchors[i]], cipher, at);
    }
  }
  if (count > 0) at--;  // the last comma
  *at++ = ']';
  return Napi::Number::New(info.Env(), static_cast<double>(at - start));
}

// profileText(key, profile, plainly): the public id of one profile as text, undefined when the key makes no sense;
// `plainly` as in profile_id_cipher.h.
Napi::Value ProfileText(const Napi::CallbackInfo& info) {
  Napi::Uint8Array key = info[0].As<Napi::Uint8Array>();
  if (key.ByteLength() != 16) return info.Env().Undefined();
  bool plainly = info[2].ToBoolean();
  // Keying takes ten times as long as an id, and who asks for one asks for more.
  static thread_local struct {
    uint8_t key[16];
    bool plainly;
    std::optional<ProfileIdCipher> cipher;
  } last;
  if (!last.cipher || plainly != last.plainly || memcmp(key.Data(), last.key, 16) != 0) {
    last.cipher.emplace(key.Data(), plainly);
    last.plainly = plainly;
    memcpy(last.key, key.Data(), 16);
  }
  uint8_t id[kProfileIdBytes];
  last.cipher->Write(info[1].As<Napi::Number>().Uint32Value(), id);
  char text[kUuidBytes];
  WriteUuid(id, text);
  return Napi::String::New(info.Env(), text, kUuidBytes);
}

}  // namespace

void InitProfileAnswer(Napi::Env env, Napi::Object exports) {
  exports.Set("writeProfiles", Napi::Function::New(env, WriteProfiles, "writeProfiles"));
  exports.Set("profileText", Napi::Function::New(env, ProfileText, "profileText"));
}

}  // namespace tributary

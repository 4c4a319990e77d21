// Where the rows of an import end, in an array of JSON: every byte has to be looked at before rows can be cut
// into batches. The decoder judges what is in a row.
//
// - It goes on with whatever piece comes next.
// - tests/support/reference-import-rows.ts says the same, slowly and in few words.
#include <napi.h>

#include <cstring>

namespace tributary {

namespace {

constexpr size_t kWordBytes = 8;
constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;

// The highest bit of each byte that is 0, and perhaps of bytes above such a one.
uint64_t ZeroBytes(uint64_t word) { return (word - kOnes) & ~word & kHighs; }

// The first quote or backslash from `at` on, or `end`.
const uint8_t* FindInString(const uint8_t* at, const uint8_t* end) {
  for (; end - at >= static_cast<ptrdiff_t>(kWordBytes); at += kWordBytes) {
    uint64_t word;
    memcpy(&word, at, kWordBytes);
    uint64_t found = ZeroBytes(word ^ (kOnes * '"')) | ZeroBytes(word ^ (kOnes * '\\'));
    // Little-endian, as everything here: the lowest bit set is that of the first byte.
    if (found != 0) return at + (__builtin_ctzll(found) >> 3);
  }
  while (at < end && *at != '"' && *at != '\\') at++;
  return at;
}

// The bytes outside of strings that mean something to an array of events: between events commas do too.
struct Marks {
  bool is[256];
  constexpr explicit Marks(bool is_between) : is() {
    for (char mark : {'"', '{', '[', '}', ']', '\n'}) is[static_cast<uint8_t>(mark)] = true;
    is[uint8_t{','}] = is_between;
  }
};
constexpr Marks kBetween(true), kWithin(false);

// What is carried from piece to piece, in a Uint32Array of JavaScript's.
enum JsonLinesState : size_t { kDepth, kIsInString, kIsEscaped, kIsOver, kStateWords };

// Turns what is within an array of events into lines, in place. Returns how far: to the end of the piece
// or behind the bracket that ends the array; -1 when a brace does.
int64_t BreakLines(uint8_t* piece, size_t length, uint32_t* state) {
  if (length == 0) return 0;
  uint32_t depth = state[kDepth];
  bool is_in_string = state[kIsInString] != 0;
  uint8_t* end = piece + length;
  uint8_t* at = piece + (state[kIsEscaped] != 0);
  state[kIsEscaped] = 0;
  while (at < end) {
    if (is_in_string) {
      at = const_cast<uint8_t*>(FindInString(at, end));
      if (at == end) break;
      if (*at++ == '"') {
        is_in_string = false;
      } else if (at == end) {
        state[kIsEscaped] = 1;
      } else {
        at++;
      }
      continue;
    }
    const Marks& marks = depth == 0 ? kBetween : kWithin;
    while (at < end && !marks.is[*at]) at++;
    if (at == end) break;
    uint8_t* byte = at++;
    if (*byte == '"') {
      is_in_string = true;
    } else if (*byte == ',') {
      *byte = '\n';
    } else if (*byte == '\n') {
      *byte = ' ';
    } else if (*byte == '{' || *byte == '[') {
      depth++;
    } else if (depth > 0) {
      depth--;
    } else if (*byte == '}') {
      return -1;
    } else {
      *byte = '\n';
      state[kIsOver] = 1;
      return at - piece;
    }
  }
  state[kDepth] = depth;
  state[kIsInString] = is_in_string;
  return static_cast<int64_t>(length);
}

// breakLines(piece, state): BreakLines() for native/index.ts.
Napi::Value BreakLinesOf(const Napi::CallbackInfo& info) {
  Napi::Uint8Array piece = info[0].As<Napi::Uint8Array>();
  Napi::Uint32Array state = info[1].As<Napi::Uint32Array>();
  if (state.ElementLength() < kStateWords) return Napi::Number::New(info.Env(), -1);
  int64_t end = BreakLines(piece.Data(), piece.ByteLength(), state.Data());
  return Napi::Number::New(info.Env(), static_cast<double>(end));
}

}  // namespace

void InitImportJson(Napi::Env env, Napi::Object exports) {
  exports.Set("breakLines", Napi::Function::New(env, BreakLinesOf, "breakLines"));
}

}  // namespace tributary

// Where the rows of an import end, in an array of JSON and in msgpack: what has to look at every byte of
// an import before its rows can be cut into batches. The decoder judges what is in a row.
//
// - Both go on with whatever piece comes next, and neither reads beyond what it was given.
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

constexpr uint64_t kCutOff = UINT64_MAX, kMalformed = UINT64_MAX - 1;
constexpr uint8_t kRecordExtension = 0x72;

enum class TokenKind : uint8_t { kPlain, kExtension, kArray, kMap, kNever };

// A token from 0xc0 to 0xdf: bytes behind it whatever it says, and those of a length.
struct Token {
  uint8_t fixed_bytes, length_bytes;
  TokenKind kind;
};

constexpr Token kTokens[32] = {
    {0, 0, TokenKind::kPlain},      {0, 0, TokenKind::kNever},  // nil; 0xc1
    {0, 0, TokenKind::kPlain},      {0, 0, TokenKind::kPlain},  // false, true
    {0, 1, TokenKind::kPlain},      {0, 2, TokenKind::kPlain},      {0, 4, TokenKind::kPlain},  // bin
    {1, 1, TokenKind::kExtension},  {1, 2, TokenKind::kExtension},  {1, 4, TokenKind::kExtension},
    {4, 0, TokenKind::kPlain},      {8, 0, TokenKind::kPlain},  // floats
    {1, 0, TokenKind::kPlain},      {2, 0, TokenKind::kPlain},      {4, 0, TokenKind::kPlain},
    {8, 0, TokenKind::kPlain},      {1, 0, TokenKind::kPlain},      {2, 0, TokenKind::kPlain},
    {4, 0, TokenKind::kPlain},      {8, 0, TokenKind::kPlain},  // integers
    {2, 0, TokenKind::kExtension},  {3, 0, TokenKind::kExtension},  {5, 0, TokenKind::kExtension},
    {9, 0, TokenKind::kExtension},  {17, 0, TokenKind::kExtension},
    {0, 1, TokenKind::kPlain},      {0, 2, TokenKind::kPlain},      {0, 4, TokenKind::kPlain},  // str
    {0, 2, TokenKind::kArray},      {0, 4, TokenKind::kArray},
    {0, 2, TokenKind::kMap},        {0, 4, TokenKind::kMap},
};

// The position behind the value at `at`. Every token adds less than 2^34 to `values`, of which there are
// no more than bytes.
uint64_t EndOfValue(const uint8_t* bytes, uint64_t length, uint64_t at) {
  for (uint64_t values = 1; values > 0; values--) {
    if (at >= length) return kCutOff;
    uint8_t token = bytes[at++];
    if (token < 0x80 || token >= 0xe0) continue;
    if (token < 0x90) {
      values += 2u * (token & 0x0fu);
    } else if (token < 0xa0) {
      values += token & 0x0fu;
    } else if (token < 0xc0) {
      at += token & 0x1fu;
    } else {
      const Token& described = kTokens[token - 0xc0];
      if (described.kind == TokenKind::kNever) return kMalformed;
      if (described.length_bytes > length - at) return kCutOff;
      uint64_t count = 0;
      for (int i = 0; i < described.length_bytes; i++) count = count << 8 | bytes[at++];
      if (described.kind == TokenKind::kExtension && at < length && bytes[at] == kRecordExtension) {
        return kMalformed;
      }
      if (described.kind == TokenKind::kMap) values += 2 * count;
      else if (described.kind == TokenKind::kArray) values += count;
      else at += described.fixed_bytes + count;
    }
  }
  return at <= length ? at : kCutOff;
}

// msgpackEnds(bytes, ends, bytesMax): writes to `ends` the positions behind the values that follow one
// another in `bytes` and end within `bytesMax`, as many as fit. Returns how many; -1 less that number when a
// value behind them can be none.
Napi::Value MsgpackEnds(const Napi::CallbackInfo& info) {
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  Napi::Uint32Array ends = info[1].As<Napi::Uint32Array>();
  uint64_t bytes_max = info[2].As<Napi::Number>().Uint32Value();
  uint64_t at = 0;
  uint32_t count = 0;
  const uint8_t* data = bytes.Data();
  uint64_t length = bytes.ByteLength();
  while (count < ends.ElementLength() && at < length) {
    at = EndOfValue(data, length, at);
    if (at == kMalformed) return Napi::Number::New(info.Env(), -1.0 - count);
    if (at > bytes_max) break;
    ends[count++] = static_cast<uint32_t>(at);
  }
  return Napi::Number::New(info.Env(), count);
}

}  // namespace

void InitImportRows(Napi::Env env, Napi::Object exports) {
  exports.Set("breakLines", Napi::Function::New(env, BreakLinesOf, "breakLines"));
  exports.Set("msgpackEnds", Napi::Function::New(env, MsgpackEnds, "msgpackEnds"));
}

}  // namespace tributary

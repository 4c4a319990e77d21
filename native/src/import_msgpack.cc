// Where the rows of an import end, in msgpack, and rows that are msgpackr's records written as maps: what has
// to look at every token of an import before its rows can be cut into batches. The decoder judges what is in a row.
//
// - Both go on with whatever piece comes next, and neither reads beyond what it was given.
// - tests/support/reference-import-rows.ts finds the ends slowly and in few words; msgpackr itself is the twin
//   of the records.
#include <napi.h>

#include <algorithm>

#include "msgpack_records.h"
#include "msgpack_tokens.h"

namespace tributary {

namespace {

constexpr uint64_t kCutOff = UINT64_MAX, kMalformed = UINT64_MAX - 1;

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
      const MsgpackToken& described = kMsgpackTokens[token - 0xc0];
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

// What follows the rows of one call of expand(), in its lowest bits.
enum ExpandEnd : uint32_t { kNothing, kNoRow, kRowTooLarge };
constexpr uint32_t kExpandEnds = 4;

// MsgpackRecords() has expand(bytes, out, ends): see native/index.ts.
class MsgpackRecordsObject : public Napi::ObjectWrap<MsgpackRecordsObject> {
 public:
  static void Init(Napi::Env env, Napi::Object exports) {
    exports.Set("MsgpackRecords",
                DefineClass(env, "MsgpackRecords",
                            {InstanceMethod("expand", &MsgpackRecordsObject::Expand)}));
  }

  explicit MsgpackRecordsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<MsgpackRecordsObject>(info) {}

 private:
  Napi::Value Expand(const Napi::CallbackInfo& info) {
    Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
    Napi::Uint8Array out = info[1].As<Napi::Uint8Array>();
    Napi::Uint32Array ends = info[2].As<Napi::Uint32Array>();
    MsgpackRecords::Source from{bytes.Data(), bytes.ByteLength(), 0};
    MsgpackRecords::Target to{out.Data(), out.ByteLength(), 0};
    uint32_t rows_max = static_cast<uint32_t>(ends.ElementLength() / 2), rows = 0;
    ExpandEnd end = kNothing;
    while (rows < rows_max && from.at < from.length && end == kNothing) {
      RecordsOutcome outcome = records_.ExpandRow(&from, &to);
      if (outcome == RecordsOutcome::kCutOff) break;
      if (outcome == RecordsOutcome::kMalformed) end = kNoRow;
      // Behind others it gets a buffer of its own the next time.
      if (outcome == RecordsOutcome::kNoRoom && rows > 0) break;
      if (outcome == RecordsOutcome::kNoRoom) end = kRowTooLarge;
      if (outcome != RecordsOutcome::kExpanded) continue;
      ends[rows] = static_cast<uint32_t>(from.at);
      ends[rows_max + rows] = static_cast<uint32_t>(to.at);
      rows++;
    }
    return Napi::Number::New(info.Env(), rows * kExpandEnds + end);
  }

  MsgpackRecords records_;
};

}  // namespace

void InitImportMsgpack(Napi::Env env, Napi::Object exports) {
  exports.Set("msgpackEnds", Napi::Function::New(env, MsgpackEnds, "msgpackEnds"));
  MsgpackRecordsObject::Init(env, exports);
}

}  // namespace tributary

// The rows of an import as a batch of the engine: copied, with a comma or a map's header around them and, in an
// import, a message id in front. Batches come as {"batch":[…]}; what is around the rows is the caller's to write.
//
// - The decoder judges what is in a row. Here a line has to begin and end like an object, and a value to be a map.
// - Nothing is read beyond the rows and nothing written beyond the target: what does not fit is left for the
//   next batch.
// - tests/support/reference-import-rows.ts says the same, slowly and in few words.
#include <napi.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tributary {

namespace {

// The most digits a row's number has.
constexpr size_t kNumberDigits = 20;

struct Bytes {
  const uint8_t* data;
  size_t length;
};

Bytes BytesOf(Napi::Value value) {
  Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// Where rows are written, and the numbers they get.
class RowTarget {
 public:
  RowTarget(Napi::Value target, Bytes id_prefix, uint64_t next_row)
      : id_prefix_(id_prefix), next_row_(next_row) {
    Napi::Uint8Array array = target.As<Napi::Uint8Array>();
    start_ = at_ = array.Data();
    end_ = start_ + array.ByteLength();
  }

  uint8_t* at() const { return at_; }
  size_t written() const { return static_cast<size_t>(at_ - start_); }
  size_t id_bytes_max() const { return id_prefix_.length + kNumberDigits; }
  bool HasRoom(size_t bytes) const { return bytes <= static_cast<size_t>(end_ - at_); }

  void Put(uint8_t byte) { *at_++ = byte; }
  void Put(const void* bytes, size_t length) {
    memcpy(at_, bytes, length);
    at_ += length;
  }
  void PutBigEndian(uint32_t number) {
    uint32_t bytes = __builtin_bswap32(number);
    Put(&bytes, sizeof(bytes));
  }
  // The message id of the next row, at most 255 bytes. Returns its length.
  uint8_t PutId() {
    uint8_t* id = at_;
    Put(id_prefix_.data, id_prefix_.length);
    char* digits = reinterpret_cast<char*>(at_);
    at_ = reinterpret_cast<uint8_t*>(std::to_chars(digits, digits + kNumberDigits, next_row_++).ptr);
    return static_cast<uint8_t>(at_ - id);
  }

 private:
  Bytes id_prefix_;
  uint64_t next_row_;
  uint8_t *start_, *at_, *end_;
};

constexpr char kIdKey[] = "{\"messageId\":\"";

// White space as JSON has it.
bool IsSpace(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

// What one call of joinLines() found.
struct JoinedLines {
  uint32_t rows = 0, lines = 0;
  size_t read = 0;
  bool is_malformed = false;
};

// Joins the lines of `source` that are whole by commas.
JoinedLines JoinLines(Bytes source, bool is_complete, bool has_ids, uint32_t rows_max,
                      RowTarget* target) {
  JoinedLines found;
  const uint8_t* end = source.data + source.length;
  size_t extra = 1 + (has_ids ? sizeof(kIdKey) + target->id_bytes_max() + 2 : 0);
  while (found.rows < rows_max && found.read < source.length) {
    const uint8_t* line = source.data + found.read;
    const void* line_end = memchr(line, '\n', static_cast<size_t>(end - line));
    if (line_end == nullptr && !is_complete) break;
    const uint8_t* next = line_end == nullptr ? end : static_cast<const uint8_t*>(line_end) + 1;
    const uint8_t* first = line;
    while (first < next && IsSpace(*first)) first++;
    if (first < next) {
      const uint8_t* last = next - 1;
      while (IsSpace(*last)) last--;
      found.is_malformed = *first != '{' || *last != '}' || first == last;
      if (found.is_malformed) break;
      size_t bytes = static_cast<size_t>(next - first);
      if (!target->HasRoom(bytes + extra)) break;
      if (found.rows > 0) target->Put(',');
      if (has_ids) {
        target->Put(kIdKey, sizeof(kIdKey) - 1);
        target->PutId();
        target->Put('"');
        do first++;
        while (IsSpace(*first));
        if (*first != '}') target->Put(',');
      }
      target->Put(first, static_cast<size_t>(next - first));
      found.rows++;
    }
    found.lines++;
    found.read = static_cast<size_t>(next - source.data);
  }
  return found;
}

// joinLines(source, target, isComplete, rowsMax, idPrefix, firstRow): see native/index.ts.
Napi::Value JoinLinesOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bool is_complete = info[2].ToBoolean(), has_ids = !info[4].IsUndefined();
  Bytes id_prefix = has_ids ? BytesOf(info[4]) : Bytes{nullptr, 0};
  uint64_t first_row = static_cast<uint64_t>(info[5].ToNumber().Int64Value());
  RowTarget target(info[1], id_prefix, first_row);
  JoinedLines found = JoinLines(BytesOf(info[0]), is_complete, has_ids,
                                info[3].ToNumber().Uint32Value(), &target);
  Napi::Object result = Napi::Object::New(env);
  result.Set("rows", found.rows);
  result.Set("lines", found.lines);
  result.Set("bytesRead", static_cast<double>(found.read));
  result.Set("bytesWritten", static_cast<double>(target.written()));
  result.Set("isMalformed", found.is_malformed);
  return result;
}

constexpr uint8_t kFixedMap = 0x80, kMap16 = 0xde, kMap32 = 0xdf;
constexpr uint8_t kIdKeyToken[] = {0xa9, 'm', 'e', 's', 's', 'a', 'g', 'e', 'I', 'd', 0xd9, 0};
constexpr size_t kMap32Bytes = 5;

// Reads the header of a map of `length` bytes. Returns its length, 0 when it is no map.
size_t ReadMapHeader(const uint8_t* row, size_t length, uint32_t* entries) {
  if (length >= 1 && (row[0] & 0xf0) == kFixedMap) {
    *entries = row[0] & 0x0f;
    return 1;
  }
  size_t number_bytes = length < 1 ? 0 : row[0] == kMap16 ? 2 : row[0] == kMap32 ? 4 : 0;
  if (number_bytes == 0 || length < 1 + number_bytes) return 0;
  uint32_t number = 0;
  for (size_t index = 1; index <= number_bytes; index++) number = number << 8 | row[index];
  *entries = number;
  return 1 + number_bytes;
}

// joinMaps(source, ends, rows, target, idPrefix, firstRow): see native/index.ts.
Napi::Value JoinMapsOf(const Napi::CallbackInfo& info) {
  Bytes source = BytesOf(info[0]);
  Napi::Uint32Array ends = info[1].As<Napi::Uint32Array>();
  size_t rows = std::min<size_t>(info[2].ToNumber().Uint32Value(), ends.ElementLength());
  uint64_t first_row = static_cast<uint64_t>(info[5].ToNumber().Int64Value());
  RowTarget target(info[3], BytesOf(info[4]), first_row);
  size_t start = 0;
  for (size_t row = 0; row < rows; row++) {
    size_t next = std::min<size_t>(ends[row], source.length);
    const uint8_t* map = source.data + start;
    size_t bytes = next > start ? next - start : 0;
    uint32_t entries = 0;
    size_t header_bytes = ReadMapHeader(map, bytes, &entries);
    size_t most = kMap32Bytes + sizeof(kIdKeyToken) + target.id_bytes_max() + bytes;
    if (header_bytes == 0 || !target.HasRoom(most)) {
      return Napi::Number::New(info.Env(), -1.0 - static_cast<double>(row));
    }
    target.Put(kMap32);
    target.PutBigEndian(entries + 1);
    target.Put(kIdKeyToken, sizeof(kIdKeyToken));
    uint8_t* id_length = target.at() - 1;
    *id_length = target.PutId();
    target.Put(map + header_bytes, bytes - header_bytes);
    start = next;
  }
  return Napi::Number::New(info.Env(), static_cast<double>(target.written()));
}

}  // namespace

void InitImportRows(Napi::Env env, Napi::Object exports) {
  exports.Set("joinLines", Napi::Function::New(env, JoinLinesOf, "joinLines"));
  exports.Set("joinMaps", Napi::Function::New(env, JoinMapsOf, "joinMaps"));
}

}  // namespace tributary

// Finds the rows of a segment whose text is exactly this, hidden rows included: where a message is, for
// people who ask. Queries cannot tell, since hidden rows are what they leave out.
//
// A row costs the comparison of its length; only texts as long as the one sought are read. 122,880 rows
// are one call of about a tenth of a millisecond, and the caller lets others run between calls.
#include <napi.h>

#include <cstring>

#include "segment_rows.h"

namespace tributary {

namespace {

// Set in a found row that is hidden.
constexpr uint32_t kHiddenBit = 1u << 31;

// findText(segment, columnName, text, rowEnd, out): writes to `out` the rows below `rowEnd` that hold the
// bytes of `text` in a utf8 column, as many as fit, and returns how many; -1 for bad arguments.
Napi::Value FindText(const Napi::CallbackInfo& info) {
  SegmentRows rows;
  std::string name = info[1].ToString();
  Napi::Uint8Array text = info[2].As<Napi::Uint8Array>();
  uint32_t row_end = info[3].As<Napi::Number>().Uint32Value();
  Napi::Uint32Array found = info[4].As<Napi::Uint32Array>();
  if (!rows.Attach(RegionObject::FromValue(info[0])) || row_end > rows.staged_rows()) {
    return Napi::Number::New(info.Env(), -1);
  }
  for (uint32_t index = 0; index < rows.column_count(); index++) {
    const ColumnDescriptor& column = rows.column(index);
    if (name != column.name || column.type != ColumnType::kUtf8) continue;
    uint32_t count = 0;
    const uint32_t* offsets = rows.offsets(column);
    for (uint32_t row = 0; row < row_end && count < found.ElementLength(); row++) {
      if (offsets[row + 1] - offsets[row] != text.ByteLength()) continue;
      Slice value = rows.text(column, row);
      if (!value.present() || memcmp(value.data, text.Data(), text.ByteLength()) != 0) continue;
      found[count++] = row | (rows.hidden(row) ? kHiddenBit : 0);
    }
    return Napi::Number::New(info.Env(), count);
  }
  return Napi::Number::New(info.Env(), -1);
}

}  // namespace

void InitTextSearch(Napi::Env env, Napi::Object exports) {
  exports.Set("findText", Napi::Function::New(env, FindText, "findText"));
}

}  // namespace tributary

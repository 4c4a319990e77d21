// The JavaScript face of ColumnRows (NativeColumnRows in native/index.ts).
#include <napi.h>

#include <algorithm>
#include <cstring>

#include "column_rows.h"

namespace tributary {

class ColumnRowsObject : public Napi::ObjectWrap<ColumnRowsObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "ColumnRows",
                       {InstanceMethod<&ColumnRowsObject::Attach>("attach"),
                        InstanceMethod<&ColumnRowsObject::Write>("write"),
                        InstanceMethod<&ColumnRowsObject::CopyText>("copyText"),
                        InstanceAccessor<&ColumnRowsObject::TextBytes>("textBytes")});
  }

  // new ColumnRows(rowBytesMax)
  explicit ColumnRowsObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ColumnRowsObject>(info), rows_(info[0].As<Napi::Number>().Uint32Value()) {}

 private:
  static Buffer BufferOf(const Napi::Object& column, const char* name) {
    Napi::Value value = column.Get(name);
    if (!value.IsTypedArray()) return {};
    Napi::TypedArray array = value.As<Napi::TypedArray>();
    uint8_t* data = static_cast<uint8_t*>(array.ArrayBuffer().Data());
    // An array without bytes may have no memory; not null, since null says that there is no array.
    static const uint8_t kNothing = 0;
    return {data == nullptr ? &kNothing : data + array.ByteOffset(), array.ByteLength()};
  }

  static uint32_t NumberOf(const Napi::Object& column, const char* name) {
    Napi::Value value = column.Get(name);
    return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
  }

  static RowColumn ColumnOf(const Napi::Object& described) {
    RowColumn column;
    column.kind = static_cast<ColumnKind>(NumberOf(described, "kind"));
    column.role = static_cast<ColumnRole>(NumberOf(described, "role"));
    column.key = described.Get("key").ToString();
    column.value_bytes = static_cast<uint8_t>(NumberOf(described, "valueBytes"));
    column.is_signed = described.Get("isSigned").ToBoolean();
    column.ticks_per_second = NumberOf(described, "ticksPerSecond");
    column.first_bit = NumberOf(described, "firstBit");
    column.validity = BufferOf(described, "validity");
    column.values = BufferOf(described, "values");
    column.offsets = BufferOf(described, "offsets");
    column.indices = BufferOf(described, "indices");
    column.index_bytes = static_cast<uint8_t>(NumberOf(described, "indexBytes"));
    column.entries = NumberOf(described, "entries");
    column.children = ColumnsOf(described.Get("children"));
    return column;
  }

  static std::vector<RowColumn> ColumnsOf(const Napi::Value& described) {
    std::vector<RowColumn> columns;
    if (!described.IsArray()) return columns;
    Napi::Array array = described.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) {
      columns.push_back(ColumnOf(array.Get(i).As<Napi::Object>()));
    }
    return columns;
  }

  // attach(columns, rows): "" or why not. The columns' buffers are kept until the next call.
  Napi::Value Attach(const Napi::CallbackInfo& info) {
    held_ = Napi::Persistent(info[0].As<Napi::Object>());
    uint32_t rows = info[1].As<Napi::Number>().Uint32Value();
    return Napi::String::New(info.Env(), rows_.Attach(ColumnsOf(info[0]), rows));
  }

  // write(first, idPrefix, number, bytesMax, rowsMax): rows written.
  Napi::Value Write(const Napi::CallbackInfo& info) {
    std::string prefix = info[1].ToString();
    uint32_t rows = rows_.Write(info[0].As<Napi::Number>().Uint32Value(), prefix,
                                static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value()),
                                info[3].As<Napi::Number>().Uint32Value(),
                                info[4].As<Napi::Number>().Uint32Value());
    return Napi::Number::New(info.Env(), rows);
  }

  Napi::Value TextBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(rows_.text().length()));
  }

  // copyText(target): what was written, as much as there is room for.
  Napi::Value CopyText(const Napi::CallbackInfo& info) {
    Napi::Uint8Array target = info[0].As<Napi::Uint8Array>();
    const JsonBuilder& text = rows_.text();
    size_t bytes = std::min(target.ByteLength(), text.length());
    if (bytes > 0) memcpy(target.Data(), text.data(), bytes);
    return info.Env().Undefined();
  }

  ColumnRows rows_;
  Napi::ObjectReference held_;
};

void InitColumnRows(Napi::Env env, Napi::Object exports) {
  exports.Set("ColumnRows", ColumnRowsObject::Define(env));
}

}  // namespace tributary

// The JavaScript face of the msgpack parser, for those who want its text (NativeMsgpackTranscoder in native/index.ts).
#include <napi.h>

#include "msgpack_parser.h"
#include "simdjson.h"

namespace tributary {

class MsgpackObject : public Napi::ObjectWrap<MsgpackObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "MsgpackTranscoder",
                       {InstanceMethod<&MsgpackObject::Transcode>("transcode"),
                        InstanceAccessor<&MsgpackObject::Failure>("failure")});
  }

  // new MsgpackTranscoder(limits): MsgpackLimits of native/index.ts.
  explicit MsgpackObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<MsgpackObject>(info), parser_(LimitsOf(info[0].As<Napi::Object>())) {}

 private:
  static MsgpackLimits LimitsOf(Napi::Object limits) {
    return {limits.Get("jsonDepthMax").As<Napi::Number>().Uint32Value(),
            limits.Get("msgpackTextBytesMax").As<Napi::Number>().Uint32Value()};
  }

  Napi::Value Failure(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), parser_.failure_text());
  }

  // transcode(payload, length): the JSON text with SIMDJSON_PADDING bytes behind it, or a
  // DecodeFailure. `payload` has as many readable bytes behind `length`.
  Napi::Value Transcode(const Napi::CallbackInfo& info) {
    Napi::Uint8Array payload = info[0].As<Napi::Uint8Array>();
    uint32_t length = info[1].As<Napi::Number>().Uint32Value();
    DecodeFailure failure = DecodeFailure::kBadArguments;
    if (payload.ByteLength() >= size_t{length} + simdjson::SIMDJSON_PADDING) {
      failure = parser_.Parse(payload.Data(), length);
    }
    if (failure != DecodeFailure::kNone) {
      return Napi::Number::New(info.Env(), static_cast<uint32_t>(failure));
    }
    ParsedPayload parsed = parser_.parsed();
    size_t bytes = parsed.length + size_t{simdjson::SIMDJSON_PADDING};
    return Napi::Buffer<char>::Copy(info.Env(), parsed.text, bytes);
  }

  MsgpackParser parser_;
};

void InitMsgpack(Napi::Env env, Napi::Object exports) {
  exports.Set("MsgpackTranscoder", MsgpackObject::Define(env));
}

}  // namespace tributary

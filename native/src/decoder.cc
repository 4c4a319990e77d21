// The JavaScript face of the event decoder (NativeDecoder in native/index.ts).
#include <napi.h>

#include <cstring>

#include "decoder_limits.h"
#include "event_decoder.h"
#include "region.h"

namespace tributary {

class Decoder : public Napi::ObjectWrap<Decoder> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Decoder",
                       {InstanceMethod<&Decoder::Attach>("attach"),
                        InstanceMethod<&Decoder::Decode>("decode"),
                        InstanceAccessor<&Decoder::Notes>("notes"),
                        InstanceAccessor<&Decoder::Texts>("texts"),
                        InstanceAccessor<&Decoder::Failure>("failure")});
  }

  // new Decoder(limits): DecoderLimits of native/index.ts.
  explicit Decoder(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Decoder>(info), decoder_(DecoderLimitsOf(info[0].As<Napi::Object>())) {}

 private:
  // attach(region): rows go to this segment from now on. Returns "" or why not.
  Napi::Value Attach(const Napi::CallbackInfo& info) {
    Region* region = RegionObject::FromValue(info[0]);
    return Napi::String::New(info.Env(),
                             region == nullptr ? "not a region" : decoder_.Attach(region));
  }

  Napi::Value Failure(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), decoder_.failure_text());
  }

  // The words of all notes of the last payload: (index, code, field, offset, length) each.
  Napi::Value Notes(const Napi::CallbackInfo& info) {
    const auto& entries = decoder_.notes().entries;
    size_t words = entries.size() * (sizeof(entries[0]) / sizeof(uint32_t));
    Napi::Uint32Array copy = Napi::Uint32Array::New(info.Env(), words);
    if (words > 0) memcpy(copy.Data(), entries.data(), words * sizeof(uint32_t));
    return copy;
  }

  Napi::Value Texts(const Napi::CallbackInfo& info) {
    const std::string& texts = decoder_.notes().texts;
    return Napi::Buffer<char>::Copy(info.Env(), texts.data(), texts.size());
  }

  // decode(codec, payload, length, sequence, receivedAtMicros, source, typeOfPath, sender, result): a
  // DecodeFailure. `codec` is a Codec, `sender` kSenderAddressBytes or null.
  // `payload` has at least SIMDJSON_PADDING bytes behind `length`. `result` receives [events, notes].
  Napi::Value Decode(const Napi::CallbackInfo& info) {
    Codec codec = static_cast<Codec>(info[0].As<Napi::Number>().Uint32Value());
    Napi::Uint8Array payload = info[1].As<Napi::Uint8Array>();
    uint32_t length = info[2].As<Napi::Number>().Uint32Value();
    Napi::Uint32Array result = info[8].As<Napi::Uint32Array>();
    const uint8_t* sender = info[7].IsNull() ? nullptr : info[7].As<Napi::Uint8Array>().Data();
    if (!decoder_.attached() || result.ElementLength() < 2 ||
        payload.ByteLength() < size_t{length} + simdjson::SIMDJSON_PADDING) {
      return Napi::Number::New(info.Env(), static_cast<uint32_t>(DecodeFailure::kBadArguments));
    }
    char source[256];
    size_t source_length = 0;
    napi_get_value_string_utf8(info.Env(), info[5], source, sizeof(source), &source_length);
    BatchFields batch{static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value()),
                      info[4].As<Napi::Number>().Int64Value(),
                      {source, static_cast<uint32_t>(source_length)},
                      static_cast<EventType>(info[6].As<Napi::Number>().Uint32Value()), codec, sender, 0};
    DecodeFailure failure = decoder_.Decode(reinterpret_cast<const char*>(payload.Data()), length,
                                            batch, &result.Data()[0]);
    result.Data()[1] = static_cast<uint32_t>(decoder_.notes().entries.size());
    return Napi::Number::New(info.Env(), static_cast<uint32_t>(failure));
  }

  EventDecoder decoder_;
};

void InitDecoder(Napi::Env env, Napi::Object exports) {
  exports.Set("Decoder", Decoder::Define(env));
}

}  // namespace tributary

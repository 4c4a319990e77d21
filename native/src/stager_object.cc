// The JavaScript face of the stager (NativeStager in native/index.ts).
//
// - Results wake the event loop through a thread-safe function, which keeps the process alive only while
//   something is under way.
// - The thread ends with close(), with the object, or with the environment, whichever comes first.
#include <napi.h>

#include <memory>

#include "decoder_limits.h"
#include "packed_groups.h"
#include "region.h"
#include "stager.h"
#include "state_part_object.h"

namespace tributary {

class StagerObject : public Napi::ObjectWrap<StagerObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Stager",
                       {InstanceMethod<&StagerObject::Submit>("submit"),
                        InstanceMethod<&StagerObject::Place>("place"),
                        InstanceMethod<&StagerObject::Attach>("attach"),
                        InstanceMethod<&StagerObject::Resume>("resume"),
                        InstanceMethod<&StagerObject::Take>("take"),
                        InstanceMethod<&StagerObject::WindowBytes>("windowBytes"),
                        InstanceMethod<&StagerObject::ReadWindow>("readWindow"),
                        InstanceMethod<&StagerObject::WriteWindow>("writeWindow"),
                        InstanceMethod<&StagerObject::Close>("close"),
                        InstanceAccessor<&StagerObject::Texts>("texts"),
                        InstanceAccessor<&StagerObject::Failure>("failure"),
                        InstanceAccessor<&StagerObject::MemoryBytes>("memoryBytes")});
  }

  // new Stager(options, onResults): NativeStagerOptions of native/index.ts.
  explicit StagerObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<StagerObject>(info), env_(info.Env()) {
    Napi::Object options = info[0].As<Napi::Object>();
    Napi::Uint8Array secret = options.Get("windowSecret").As<Napi::Uint8Array>();
    Napi::Uint8Array payloads = options.Get("payloads").As<Napi::Uint8Array>();
    Region* segment = RegionObject::FromValue(options.Get("segment"));
    uint64_t window_secret = 0;
    if (segment == nullptr || secret.ByteLength() != sizeof(window_secret)) {
      Napi::TypeError::New(env_, "a segment and a secret of 8 bytes").ThrowAsJavaScriptException();
      return;
    }
    memcpy(&window_secret, secret.Data(), sizeof(window_secret));
    index_ = Napi::Persistent(options.Get("identifiers").As<Napi::Object>());
    payloads_ = Napi::Persistent(payloads);
    payload_base_ = reinterpret_cast<const char*>(payloads.Data());
    payload_bytes_ = payloads.ByteLength();
    napi_value name = Napi::String::New(env_, "tributary.stager");
    napi_create_threadsafe_function(env_, info[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr,
                                    CallJs, &wake_);
    napi_unref_threadsafe_function(env_, wake_);
    // Hooks run in reverse: the thread ends before the function it calls does.
    napi_add_env_cleanup_hook(env_, EndThread, this);
    napi_threadsafe_function wake = wake_;
    stager_ = std::make_unique<Stager>(StagerOptions{
        DecoderLimitsOf(options.Get("limits").As<Napi::Object>()),
        options.Get("windowMicros").ToNumber().Int64Value(), window_secret,
        RowResolver::FromValue(index_.Value()),
        static_cast<uint64_t>(options.Get("nextSequence").ToNumber().Int64Value()),
        options.Get("hasTwoThreads").ToBoolean(),
        [wake] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); }});
    std::string failure = stager_->Start(segment);
    if (!failure.empty()) {
      End();
      Napi::Error::New(env_, failure).ThrowAsJavaScriptException();
    }
  }

  ~StagerObject() override { End(); }

 private:
  static void CallJs(napi_env env, napi_value callback, void*, void*) {
    if (env == nullptr) return;  // the environment is going down
    napi_value receiver;
    napi_get_undefined(env, &receiver);
    if (napi_call_function(env, receiver, callback, 0, nullptr, nullptr) != napi_pending_exception) {
      return;
    }
    // A broken invariant ends the process, as one in any other callback does.
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }

  // The environment ends; it takes the thread-safe function with it.
  static void EndThread(void* self) {
    auto* object = static_cast<StagerObject*>(self);
    object->stager_.reset();
    object->wake_ = nullptr;
  }

  void End() {
    if (wake_ == nullptr) return;
    napi_remove_env_cleanup_hook(env_, EndThread, this);
    stager_.reset();
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
    wake_ = nullptr;
  }

  // submit(codec, offset, length, receivedAtMicros, source, typeOfPath, sequence, hasSender, joinedRows):
  // a range of the payloads, written in that Codec, and behind it the address it came from.
  Napi::Value Submit(const Napi::CallbackInfo& info) {
    uint32_t offset = info[1].As<Napi::Number>().Uint32Value();
    uint32_t length = info[2].As<Napi::Number>().Uint32Value();
    bool has_sender = info[7].As<Napi::Boolean>().Value();
    size_t end = size_t{offset} + length + (has_sender ? kSenderAddressBytes : 0);
    bool is_sound = stager_ != nullptr && end + simdjson::SIMDJSON_PADDING <= payload_bytes_;
    if (!is_sound) {
      Napi::RangeError::New(env_, "the payload is outside").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    char source[256];
    size_t source_length = 0;
    napi_get_value_string_utf8(env_, info[4], source, sizeof(source), &source_length);
    Begin();
    stager_->Submit({static_cast<uint64_t>(info[6].As<Napi::Number>().Int64Value()),
                     static_cast<Codec>(info[0].As<Napi::Number>().Uint32Value()), payload_base_ + offset, length, info[3].As<Napi::Number>().Int64Value(),
                     static_cast<EventType>(info[5].As<Napi::Number>().Uint32Value()),
                     std::string(source, source_length), has_sender,
                     info[8].As<Napi::Number>().Uint32Value()});
    return info.Env().Undefined();
  }

  Napi::Value Place(const Napi::CallbackInfo& info) {
    if (stager_ == nullptr) return info.Env().Undefined();
    Begin();
    stager_->Place(info[0].As<Napi::Number>().Int64Value(),
                   static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()));
    return info.Env().Undefined();
  }

  Napi::Value Attach(const Napi::CallbackInfo& info) {
    if (stager_ != nullptr) stager_->Attach(RegionObject::FromValue(info[0]));
    return info.Env().Undefined();
  }

  Napi::Value Resume(const Napi::CallbackInfo& info) {
    if (stager_ != nullptr) stager_->Resume();
    return info.Env().Undefined();
  }

  // take(into, at): writes the words of the oldest result to into[at…]. Returns their number, 0 when
  // there is no result, or -number when there is no room for them.
  Napi::Value Take(const Napi::CallbackInfo& info) {
    Napi::Uint32Array into = info[0].As<Napi::Uint32Array>();
    size_t at = info[1].As<Napi::Number>().Uint32Value();
    int64_t taken = 0;
    if (stager_ != nullptr) {
      stager_->Take([&](StagerResult& result) {
        const std::vector<uint32_t>& words = result.words;
        taken = static_cast<int64_t>(words.size());
        if (at + words.size() > into.ElementLength()) {
          taken = -taken;
          return false;
        }
        std::copy(words.begin(), words.end(), into.Data() + at);
        texts_ = std::move(result.texts);
        failure_ = std::move(result.failure);
        bool is_question = words[0] == static_cast<uint32_t>(StagerOutcome::kSegmentFull) ||
                           words[0] == static_cast<uint32_t>(StagerOutcome::kRoomNeeded);
        if (!is_question) Finish();
        return true;
      });
    }
    return Napi::Number::New(info.Env(), static_cast<double>(taken));
  }

  // windowBytes(part): the length of a part of the duplicate window; part 0 is its head, which says how
  // long the others are.
  Napi::Value WindowBytes(const Napi::CallbackInfo& info) {
    const FingerprintMap* table = WindowTable(info);
    uint64_t bytes = table == nullptr ? WindowHead(info).bytes : table->packed_bytes();
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  }

  // readWindow(part, offset, target): the head as of state_part_object.h, a table in order (packed_groups.h).
  Napi::Value ReadWindow(const Napi::CallbackInfo& info) {
    const FingerprintMap* table = WindowTable(info);
    if (table == nullptr) return ReadPart(info, WindowHead(info));
    uint64_t offset = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
    Napi::Uint8Array target = info[2].As<Napi::Uint8Array>();
    char* bytes = reinterpret_cast<char*>(target.Data());
    bool read = packer_.Read(*table, offset, bytes, target.ByteLength());
    return Napi::Boolean::New(info.Env(), read);
  }

  // writeWindow(part, offset, source), likewise. Writing the head makes empty tables; false when no window can have it.
  Napi::Value WriteWindow(const Napi::CallbackInfo& info) {
    FingerprintMap* table = WindowTable(info);
    if (table == nullptr) {
      Napi::Value written = WritePart(info, WindowHead(info));
      if (!written.As<Napi::Boolean>().Value()) return written;
      return Napi::Boolean::New(info.Env(), stager_->window().Restore(head_));
    }
    uint64_t offset = static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value());
    Napi::Uint8Array source = info[2].As<Napi::Uint8Array>();
    const char* bytes = reinterpret_cast<const char*>(source.Data());
    bool written = unpacker_.Write(table, offset, bytes, source.ByteLength());
    return Napi::Boolean::New(info.Env(), written);
  }

  // The generation that `part` names; null for the head, and while the window is not at rest.
  FingerprintMap* WindowTable(const Napi::CallbackInfo& info) {
    if (stager_ == nullptr || under_way_ > 0) return nullptr;
    return stager_->window().table(info[0].As<Napi::Number>().Uint32Value());
  }

  StatePart WindowHead(const Napi::CallbackInfo& info) {
    bool is_head = info[0].As<Napi::Number>().Uint32Value() == 0;
    if (stager_ == nullptr || under_way_ > 0 || !is_head) return {};
    head_ = stager_->window().head();
    return {reinterpret_cast<char*>(&head_), sizeof(head_)};
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    End();
    return info.Env().Undefined();
  }

  Napi::Value Texts(const Napi::CallbackInfo& info) {
    return Napi::Buffer<char>::Copy(info.Env(), texts_.data(), texts_.size());
  }

  Napi::Value Failure(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), failure_);
  }

  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    double bytes = stager_ == nullptr ? 0 : static_cast<double>(stager_->memory_bytes());
    return Napi::Number::New(info.Env(), bytes);
  }

  void Begin() {
    if (under_way_++ == 0) napi_ref_threadsafe_function(env_, wake_);
  }
  void Finish() {
    if (--under_way_ == 0) napi_unref_threadsafe_function(env_, wake_);
  }

  Napi::Env env_;
  Napi::ObjectReference index_;
  Napi::Reference<Napi::Uint8Array> payloads_;
  const char* payload_base_ = nullptr;
  size_t payload_bytes_ = 0;
  napi_threadsafe_function wake_ = nullptr;
  std::unique_ptr<Stager> stager_;
  uint64_t under_way_ = 0;
  MessageWindow::Head head_{};  // while it is copied
  GroupPacker packer_;
  GroupUnpacker unpacker_;
  std::string texts_, failure_;  // of the result taken last
};

void InitStager(Napi::Env env, Napi::Object exports) {
  exports.Set("Stager", StagerObject::Define(env));
}

}  // namespace tributary

// The JavaScript face of what is kept of traits (NativeTraitStore in native/index.ts).
#include <napi.h>

#include "trait_state.h"
#include "trait_store.h"

namespace tributary {
namespace {

uint64_t Number(const Napi::Value& value) {
  return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value());
}

}  // namespace

class TraitStoreObject : public Napi::ObjectWrap<TraitStoreObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "TraitStore",
                       {InstanceMethod<&TraitStoreObject::Keep>("keep"),
                        InstanceMethod<&TraitStoreObject::Complete>("complete"),
                        InstanceMethod<&TraitStoreObject::SlotOfKey>("slotOf"),
                        InstanceMethod<&TraitStoreObject::Fold>("fold"),
                        InstanceMethod<&TraitStoreObject::Put>("put"),
                        InstanceMethod<&TraitStoreObject::Forget>("forget"),
                        InstanceMethod<&TraitStoreObject::ReadState>("readState"),
                        InstanceMethod<&TraitStoreObject::WriteState>("writeState"),
                        InstanceMethod<&TraitStoreObject::EndRestore>("endRestore"),
                        InstanceMethod<&TraitStoreObject::Close>("close"),
                        InstanceAccessor<&TraitStoreObject::StateBytes>("stateBytes"),
                        InstanceAccessor<&TraitStoreObject::Failure>("failure"),
                        InstanceAccessor<&TraitStoreObject::MemoryBytes>("memoryBytes")});
  }

  // new TraitStore(directory, anchorsMax, cellsMax, textBytesMax)
  explicit TraitStoreObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<TraitStoreObject>(info) {
    TraitCapacities capacities = {Number(info[1]), Number(info[2]),
                                  Number(info[3]) / kTraitUnitBytes};
    std::string failure = store_.Create(info[0].ToString().Utf8Value(), capacities);
    if (!failure.empty()) {
      Napi::Error::New(info.Env(), failure).ThrowAsJavaScriptException();
    }
  }

 private:
  // keep(names, isComplete)
  void Keep(const Napi::CallbackInfo& info) {
    Napi::Array names = info[0].As<Napi::Array>();
    std::vector<std::string> keys;
    for (uint32_t index = 0; index < names.Length(); index += 1) {
      keys.push_back(names.Get(index).ToString().Utf8Value());
    }
    store_.Keep(keys, info[1].ToBoolean());
  }

  void Complete(const Napi::CallbackInfo& info) {
    store_.Complete(info[0].ToString().Utf8Value());
  }

  // slotOf(name): of a key that is complete; 0 for another, and once nothing is kept.
  Napi::Value SlotOfKey(const Napi::CallbackInfo& info) {
    std::string name = info[0].ToString().Utf8Value();
    uint32_t slot = 0;
    for (const TraitKey& key : store_.keys()) {
      if (key.is_complete && key.name == name) slot = key.slot;
    }
    return Napi::Number::New(info.Env(), store_.failure().empty() ? slot : 0);
  }

  // fold(segment, row, count, sequence)
  Napi::Value Fold(const Napi::CallbackInfo& info) {
    bool is_taken = store_.Fold(RegionObject::FromValue(info[0]), info[1].ToNumber().Uint32Value(),
                                info[2].ToNumber().Uint32Value(), Number(info[3]));
    return Napi::Boolean::New(info.Env(), is_taken);
  }

  // put(anchor, name, micros, sequence, value): nothing for a key that is not kept.
  void Put(const Napi::CallbackInfo& info) {
    uint32_t slot = store_.SlotOfKey(info[1].ToString().Utf8Value());
    std::string value = info[4].ToString().Utf8Value();
    if (slot == 0 || value.empty()) return;
    store_.Put(info[0].ToNumber().Uint32Value(), slot, info[2].ToNumber().Int64Value(),
               Number(info[3]), {value.data(), static_cast<uint32_t>(value.size())});
  }

  // forget(anchors)
  void Forget(const Napi::CallbackInfo& info) {
    Napi::Uint32Array anchors = info[0].As<Napi::Uint32Array>();
    for (size_t index = 0; index < anchors.ElementLength(); index += 1) {
      store_.Forget(anchors[index]);
    }
  }

  // readState(offset, target)
  Napi::Value ReadState(const Napi::CallbackInfo& info) {
    Napi::Uint8Array target = info[1].As<Napi::Uint8Array>();
    bool is_read = state_.Read(Number(info[0]), reinterpret_cast<char*>(target.Data()),
                               target.ByteLength());
    return Napi::Boolean::New(info.Env(), is_read);
  }

  // writeState(piece)
  Napi::Value WriteState(const Napi::CallbackInfo& info) {
    Napi::Uint8Array piece = info[0].As<Napi::Uint8Array>();
    bool is_sound =
        restored_.Write(reinterpret_cast<const char*>(piece.Data()), piece.ByteLength());
    return Napi::Boolean::New(info.Env(), is_sound);
  }

  Napi::Value EndRestore(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), restored_.is_whole());
  }

  void Close(const Napi::CallbackInfo&) { store_.Close(); }

  // Begins a stream of what is kept by now.
  Napi::Value StateBytes(const Napi::CallbackInfo& info) {
    state_ = TraitState(&store_);
    return Napi::Number::New(info.Env(), static_cast<double>(state_.bytes()));
  }
  Napi::Value Failure(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), store_.failure());
  }
  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(store_.memory_bytes()));
  }

  TraitStore store_;
  TraitState state_{&store_};
  TraitState restored_{&store_};
};

void InitTraitStore(Napi::Env env, Napi::Object exports) {
  exports.Set("TraitStore", TraitStoreObject::Define(env));
}

}  // namespace tributary

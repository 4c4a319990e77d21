// The JavaScript face of the identifier index (NativeIdentifierIndex in native/index.ts).
#include <napi.h>

#include <algorithm>
#include <string>
#include <vector>

#include "identifier_index.h"
#include "identifier_request.h"
#include "region.h"
#include "state_part_object.h"

namespace tributary {
namespace {

uint32_t Uint32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }
uint64_t Number(const Napi::Value& value) {
  return static_cast<uint64_t>(value.ToNumber().Int64Value());
}

std::vector<std::string> Strings(const Napi::Value& value) {
  Napi::Array list = value.As<Napi::Array>();
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < list.Length(); i++) strings.push_back(list.Get(i).ToString());
  return strings;
}

IdentifierExtractor::Column ColumnNamed(const std::string& name) {
  if (name == "context") return IdentifierExtractor::kContext;
  return name == "traits" ? IdentifierExtractor::kTraits : IdentifierExtractor::kProperties;
}

// A NativeIdentifierPath.
IdentifierExtractor::Path PathOf(const Napi::Object& path, const NormalForms& forms) {
  uint8_t type = static_cast<uint8_t>(path.Get("type").ToNumber().Uint32Value());
  return {type, forms.steps(type), ColumnNamed(path.Get("column").ToString()),
          Strings(path.Get("keys")), path.Get("isList").ToBoolean(),
          path.Get("externalType").ToString()};
}

// Makes the table of a restored index in a thread of the pool.
class Ending : public Napi::AsyncWorker {
 public:
  Ending(Napi::Env env, IdentifierIndex* index, Napi::Object self)
      : Napi::AsyncWorker(env),
        index_(index),
        self_(Napi::Persistent(self)),
        deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { is_sound_ = index_->EndRestore(); }
  void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), is_sound_)); }

 private:
  IdentifierIndex* const index_;
  Napi::ObjectReference self_;  // keeps the index until it is over
  Napi::Promise::Deferred deferred_;
  bool is_sound_ = false;
};

}  // namespace

class IdentifierIndexObject : public Napi::ObjectWrap<IdentifierIndexObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "IdentifierIndex",
                       {InstanceMethod<&IdentifierIndexObject::Configure>("configure"),
                        InstanceMethod<&IdentifierIndexObject::Prepare>("prepare"),
                        InstanceMethod<&IdentifierIndexObject::Grant>("grant"),
                        InstanceMethod<&IdentifierIndexObject::ResolveRows>("resolveRows"),
                        InstanceMethod<&IdentifierIndexObject::Lookup>("lookup"),
                        InstanceMethod<&IdentifierIndexObject::FindAll>("findAll"),
                        InstanceMethod<&IdentifierIndexObject::ValueOf>("valueOf"),
                        InstanceMethod<&IdentifierIndexObject::TypeOf>("typeOf"),
                        InstanceMethod<&IdentifierIndexObject::Erase>("erase"),
                        InstanceMethod<&IdentifierIndexObject::Publish>("publish"),
                        InstanceMethod<&IdentifierIndexObject::PartBytes>("partBytes"),
                        InstanceMethod<&IdentifierIndexObject::ReadState>("readPart"),
                        InstanceMethod<&IdentifierIndexObject::WriteState>("writePart"),
                        InstanceMethod<&IdentifierIndexObject::BeginRestore>("beginRestore"),
                        InstanceMethod<&IdentifierIndexObject::EndRestore>("endRestore"),
                        InstanceMethod<&IdentifierIndexObject::Close>("close"),
                        InstanceMethod<&IdentifierIndexObject::MemoryOf>("memoryOf"),
                        InstanceAccessor<&IdentifierIndexObject::Count>("count")});
  }

  // new IdentifierIndex(directory, nodesMax, valuesBytesMax)
  explicit IdentifierIndexObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<IdentifierIndexObject>(info) {
    std::string failure =
        index_.Create(info[0].ToString().Utf8Value(), Number(info[1]), Number(info[2]));
    if (!failure.empty()) {
      Napi::Error::New(info.Env(), failure).ThrowAsJavaScriptException();
    }
  }

  IdentifierIndex* index() { return &index_; }

 private:
  // configure(steps, paths, logoutEvents, valueBytesMax)
  void Configure(const Napi::CallbackInfo& info) {
    Napi::Uint8Array steps = info[0].As<Napi::Uint8Array>();
    Napi::Array paths = info[1].As<Napi::Array>();
    IdentifierRules rules;
    rules.forms = NormalForms(steps.Data(), steps.ElementLength());
    for (uint32_t i = 0; i < paths.Length(); i++) {
      rules.paths.push_back(PathOf(paths.Get(i).As<Napi::Object>(), rules.forms));
    }
    rules.logout_events = Strings(info[2]);
    rules.value_bytes_max = info[3].ToNumber().Uint32Value();
    index_.Configure(rules);
  }

  // prepare(nodes, bytes)
  Napi::Value Prepare(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), index_.Prepare(Number(info[0]), Number(info[1])));
  }

  // grant(identifiers)
  void Grant(const Napi::CallbackInfo& info) { index_.Grant(Number(info[0])); }

  // resolveRows(region, row, count, out): fills `out` with the words of row_nodes.h. Returns whether the arguments
  // made sense, and they fit.
  Napi::Value ResolveRows(const Napi::CallbackInfo& info) {
    SegmentRows rows;
    uint32_t first = Uint32(info[1]);
    uint32_t count = Uint32(info[2]);
    Napi::Uint32Array out = info[3].As<Napi::Uint32Array>();
    bool is_sound =
        rows.Attach(RegionObject::FromValue(info[0])) && RowNodes::Holds(rows, first, count);
    if (!is_sound) return Napi::Boolean::New(info.Env(), false);
    std::vector<uint32_t> words;
    index_.ResolvePrepared(rows, first, count, &words);
    is_sound = words.size() <= out.ElementLength();
    if (is_sound) std::copy(words.begin(), words.end(), out.Data());
    return Napi::Boolean::New(info.Env(), is_sound);
  }

  // lookup(type, value)
  Napi::Value Lookup(const Napi::CallbackInfo& info) {
    std::string text = info[1].ToString();
    uint32_t node = index_.Find(static_cast<uint8_t>(Uint32(info[0])),
                                {text.data(), static_cast<uint32_t>(text.size())});
    return Napi::Number::New(info.Env(), node);
  }

  // findAll(request, types, nodes)
  Napi::Value FindAll(const Napi::CallbackInfo& info) {
    Napi::Uint8Array request = info[0].As<Napi::Uint8Array>();
    Napi::Uint32Array nodes = info[2].As<Napi::Uint32Array>();
    const char* json = reinterpret_cast<const char*>(request.Data());
    if (nodes.ElementLength() == 0 ||
        !request_.Parse(json, request.ByteLength(), Strings(info[1]), nodes.ElementLength() - 1)) {
      return Napi::Number::New(info.Env(), -1);
    }
    nodes[0] = request_.id();
    index_.FindAll(request_.identifiers(), nodes.Data() + 1);
    return Napi::Number::New(info.Env(), static_cast<double>(request_.identifiers().size()));
  }

  Napi::Value ValueOf(const Napi::CallbackInfo& info) {
    Slice value = index_.ValueOf(Uint32(info[0]));
    if (!value.present()) return info.Env().Undefined();
    return Napi::String::New(info.Env(), value.data, value.length);
  }
  Napi::Value TypeOf(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), index_.TypeOf(Uint32(info[0])));
  }

  void Erase(const Napi::CallbackInfo& info) { index_.Erase(Uint32(info[0])); }
  void Publish(const Napi::CallbackInfo& info) { index_.Publish(Uint32(info[0])); }

  // partBytes(part), readPart(part, offset, target), writePart(part, offset, source): state_part_object.h.
  Napi::Value PartBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(index_.PartOf(Uint32(info[0])).bytes));
  }
  Napi::Value ReadState(const Napi::CallbackInfo& info) {
    return ReadPart(info, index_.PartOf(Uint32(info[0])));
  }
  Napi::Value WriteState(const Napi::CallbackInfo& info) {
    return WritePart(info, index_.PartOf(Uint32(info[0])));
  }

  // beginRestore(blockBytes, valueBytes)
  Napi::Value BeginRestore(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), index_.BeginRestore(Number(info[0]), Number(info[1])));
  }
  Napi::Value EndRestore(const Napi::CallbackInfo& info) {
    auto* ending = new Ending(info.Env(), &index_, info.This().As<Napi::Object>());
    ending->Queue();
    return ending->promise();
  }

  void Close(const Napi::CallbackInfo&) { index_.Close(); }

  Napi::Value Count(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), index_.count());
  }
  Napi::Value MemoryOf(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(index_.MemoryOf(Uint32(info[0]))));
  }

  IdentifierIndex index_;
  IdentifierRequest request_;  // the last one
};

RowResolver* RowResolver::FromValue(const Napi::Value& value) {
  return IdentifierIndexObject::Unwrap(value.As<Napi::Object>())->index();
}

void InitIdentifierIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("IdentifierIndex", IdentifierIndexObject::Define(env));
}

}  // namespace tributary

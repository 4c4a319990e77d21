// A write that is durable when it is heard of: written and synced in one task of the thread pool. As two, the second
// would wait for the event loop to hear of the first, and both for a thread of the pool to wake up.
#include <napi.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <chrono>
#include <string>

namespace tributary {

namespace {

class DurableWrite : public Napi::AsyncWorker {
 public:
  DurableWrite(Napi::Env env, int descriptor, Napi::Uint8Array bytes, int64_t position)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        descriptor_(descriptor),
        data_(bytes.Data()),
        length_(bytes.ByteLength()),
        position_(position) {
    owner_ = Napi::Persistent(bytes.As<Napi::Object>());
  }

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    do {
      written_ = pwrite(descriptor_, data_, length_, position_);
    } while (written_ < 0 && errno == EINTR);
    // EINVAL comes before anything is written, where the file system knows no direct writes after all.
    if (written_ < 0 && errno != EINVAL) error_ = errno;
    if (written_ < 0 || static_cast<size_t>(written_) < length_) return;
    auto started = std::chrono::steady_clock::now();
    if (fdatasync(descriptor_) != 0) error_ = errno;
    sync_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  }

  void OnOK() override {
    Napi::Env env = Env();
    if (error_ != 0) {
      const char* code = uv_err_name(-error_);
      Napi::Error error = Napi::Error::New(env, std::string(code) + ": " + uv_strerror(-error_));
      error.Set("code", code);
      deferred_.Reject(error.Value());
      return;
    }
    bool is_whole = written_ >= 0 && static_cast<size_t>(written_) == length_;
    deferred_.Resolve(is_whole ? Napi::Number::New(env, sync_ms_) : env.Undefined());
  }

 private:
  Napi::Promise::Deferred deferred_;
  // Keeps the memory.
  Napi::ObjectReference owner_;
  int descriptor_;
  const uint8_t* data_;
  size_t length_;
  int64_t position_;
  ssize_t written_ = 0;
  double sync_ms_ = 0;
  int error_ = 0;
};

// writeSynced(descriptor, bytes, position): a promise of the milliseconds that the sync took, or of undefined when the
// write was short or refused with EINVAL, and nothing is synced. Rejected with the errno's name in `code`.
Napi::Value WriteSynced(const Napi::CallbackInfo& info) {
  int descriptor = info[0].As<Napi::Number>().Int32Value();
  int64_t position = info[2].As<Napi::Number>().Int64Value();
  // It frees itself when it is done.
  auto* write = new DurableWrite(info.Env(), descriptor, info[1].As<Napi::Uint8Array>(), position);
  Napi::Promise promise = write->Promise();
  write->Queue();
  return promise;
}

}  // namespace

void InitDurableWrite(Napi::Env env, Napi::Object exports) {
  exports.Set("writeSynced", Napi::Function::New(env, WriteSynced, "writeSynced"));
}

}  // namespace tributary

#include "thread_turns.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace tributary {

namespace {

// sched_setattr(2), which the C library has no name for. Times are nanoseconds.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t niceness;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};
constexpr uint64_t kResetOnFork = 1;

// Linux has a niceness for each thread, whatever POSIX says of processes.
id_t ThisThread() { return static_cast<id_t>(syscall(SYS_gettid)); }

}  // namespace

Napi::Value ShortenTurns(const Napi::CallbackInfo& info) {
  SchedulingAttributes attributes{};
  attributes.size = sizeof(attributes);
  attributes.policy = SCHED_OTHER;
  attributes.flags = kResetOnFork;
  attributes.niceness = getpriority(PRIO_PROCESS, ThisThread());
  attributes.runtime = uint64_t{info[0].As<Napi::Number>().Uint32Value()} * 1000;
  return Napi::Boolean::New(info.Env(), syscall(SYS_sched_setattr, 0, &attributes, 0) == 0);
}

void InitThreadTurns(Napi::Env env, Napi::Object exports) {
  exports.Set("shortenTurns", Napi::Function::New(env, ShortenTurns, "shortenTurns"));
}

}  // namespace tributary

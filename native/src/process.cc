// What a process must ask of the operating system and Node does not offer: file locks, files in memory, limits.
#include <dirent.h>
#include <fcntl.h>
#include <napi.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tributary {

namespace {

// lockFile(path, text): takes an exclusive flock for the life of the process and writes `text` into
// the file, for the person who wonders who holds it. Returns "", or the text of the holder, or why.
// The kernel drops the lock when the process ends, however it ends: there is no stale lock to clean.
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString();
  std::string text = info[1].ToString();
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Napi::String::New(info.Env(), strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    char holder[256] = {0};
    ssize_t length = error == EWOULDBLOCK ? pread(fd, holder, sizeof(holder) - 1, 0) : -1;
    close(fd);
    if (length > 0) return Napi::String::New(info.Env(), std::string(holder, length));
    return Napi::String::New(info.Env(), error == EWOULDBLOCK ? "unknown" : strerror(error));
  }
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) < 0) {
    std::string reason = strerror(errno);
    close(fd);
    return Napi::String::New(info.Env(), reason);
  }
  return Napi::String::New(info.Env(), "");
}

// tryLock(descriptor, exclusive): an flock of an open file or directory, until the descriptor is closed.
// False when others hold it otherwise; it never waits.
Napi::Value TryLock(const Napi::CallbackInfo& info) {
  int operation = info[1].ToBoolean() ? LOCK_EX : LOCK_SH;
  int result = flock(info[0].ToNumber().Int32Value(), operation | LOCK_NB);
  return Napi::Boolean::New(info.Env(), result == 0);
}

// limitDataBytes(bytes): RLIMIT_DATA counts every private writable mapping, so it bounds what DuckDB's
// scalar functions may allocate where its own memory_limit does not look.
Napi::Value LimitDataBytes(const Napi::CallbackInfo& info) {
  rlim_t bytes = static_cast<rlim_t>(info[0].ToNumber().Int64Value());
  rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) return Napi::String::New(info.Env(), strerror(errno));
  return Napi::String::New(info.Env(), "");
}

// createMemoryFile(bytes): the descriptor of a file without a name, in memory, whose length nobody can change;
// or why there is none.
Napi::Value CreateMemoryFile(const Napi::CallbackInfo& info) {
  int fd = memfd_create("tributary", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Napi::String::New(info.Env(), strerror(errno));
  off_t bytes = static_cast<off_t>(info[0].ToNumber().Int64Value());
  if (ftruncate(fd, bytes) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    std::string reason = strerror(errno);
    close(fd);
    return Napi::String::New(info.Env(), reason);
  }
  return Napi::Number::New(info.Env(), fd);
}

bool ListensOn(int fd, int port) {
  int listens = 0;
  socklen_t bytes = sizeof(listens);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) != 0 || listens == 0) return false;
  sockaddr_storage address{};
  bytes = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return false;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port) == port;
  }
  return address.ss_family == AF_INET &&
         ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port) == port;
}

// boundReceiveBuffers(port, bytes): SO_RCVBUF of this process's sockets that listen on the port, which the
// connections they accept from now on inherit. Returns how many there are, or why not.
Napi::Value BoundReceiveBuffers(const Napi::CallbackInfo& info) {
  int port = info[0].ToNumber().Int32Value();
  int bytes = info[1].ToNumber().Int32Value();
  DIR* descriptors = opendir("/proc/self/fd");
  if (descriptors == nullptr) return Napi::String::New(info.Env(), strerror(errno));
  int bound = 0;
  int error = 0;
  while (dirent* entry = readdir(descriptors)) {
    int fd = atoi(entry->d_name);
    if (!ListensOn(fd, port)) continue;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) != 0) error = errno;
    bound++;
  }
  closedir(descriptors);
  if (error != 0) return Napi::String::New(info.Env(), strerror(error));
  return Napi::Number::New(info.Env(), bound);
}

}  // namespace

void InitProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New(env, LockFile, "lockFile"));
  exports.Set("tryLock", Napi::Function::New(env, TryLock, "tryLock"));
  exports.Set("createMemoryFile",
              Napi::Function::New(env, CreateMemoryFile, "createMemoryFile"));
  exports.Set("boundReceiveBuffers",
              Napi::Function::New(env, BoundReceiveBuffers, "boundReceiveBuffers"));
  exports.Set("limitDataBytes", Napi::Function::New(env, LimitDataBytes, "limitDataBytes"));
}

}  // namespace tributary

#include "tests/support/socket_reads.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <utility>

namespace sluice {
namespace {

struct Log {
  std::mutex mutex;
  std::map<std::pair<int, std::string>, int64_t> reads;  // by port and thread
};

// Never destroyed: threads read while the process ends.
Log& TheLog() {
  static Log* log = new Log;
  return *log;
}

// 0 for what is no TCP socket.
int OwnPort(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
  return 0;
}

ssize_t Noted(int fd, ssize_t got) {
  if (got <= 0) return got;
  const int before = errno;
  if (const int port = OwnPort(fd); port != 0) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    std::lock_guard lock(TheLog().mutex);
    ++TheLog().reads[{port, name}];
  }
  errno = before;
  return got;
}

template <typename F>
F Next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

__attribute__((destructor)) void Write() {
  const char* path = std::getenv("SLUICE_SOCKET_READS");
  if (path == nullptr) return;
  std::ofstream file(path);
  std::lock_guard lock(TheLog().mutex);
  for (const auto& [key, count] : TheLog().reads) file << key.first << ' ' << count << ' ' << key.second << '\n';
}

}  // namespace

std::map<std::string, int64_t> SocketReads(int port) {
  std::map<std::string, int64_t> found;
  std::lock_guard lock(TheLog().mutex);
  for (const auto& [key, count] : TheLog().reads) {
    if (key.first == port) found[key.second] = count;
  }
  return found;
}

std::map<std::string, int64_t> SocketReadsIn(const std::string& path, int port) {
  std::map<std::string, int64_t> found;
  std::ifstream file(path);
  int own = 0;
  int64_t count = 0;
  std::string name;
  while (file >> own >> count && std::getline(file >> std::ws, name)) {
    if (own == port) found[name] = count;
  }
  return found;
}

}  // namespace sluice

// What gRPC and libc's callers see in place of libc's own.
extern "C" {

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  static const auto next = sluice::Next<ssize_t (*)(int, msghdr*, int)>("recvmsg");
  return sluice::Noted(fd, next(fd, message, flags));
}

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
  static const auto next = sluice::Next<ssize_t (*)(int, void*, size_t, int)>("recv");
  const ssize_t got = next(fd, buffer, size, flags);
  // Whoever looks leaves all there.
  return (flags & MSG_PEEK) != 0 ? got : sluice::Noted(fd, got);
}

ssize_t read(int fd, void* buffer, size_t size) {
  static const auto next = sluice::Next<ssize_t (*)(int, void*, size_t)>("read");
  return sluice::Noted(fd, next(fd, buffer, size));
}
}

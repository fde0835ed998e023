#include "tests/support/file_steps.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <mutex>
#include <utility>

namespace sluice {
namespace {

struct Steps {
  std::mutex mutex;
  std::vector<std::string> list;
};

// Never destroyed: files are closed while the process ends.
Steps& TheSteps() {
  static Steps* steps = new Steps;
  return *steps;
}

void Note(std::string step) {
  std::lock_guard lock(TheSteps().mutex);
  TheSteps().list.push_back(std::move(step));
}

int NoteSync(int fd, int result) {
  if (result != 0) return result;
  char path[PATH_MAX];
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof(path));
  if (size > 0) Note("sync " + std::string(path, static_cast<size_t>(size)));
  return result;
}

template <typename F>
F Next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

}  // namespace

std::vector<std::string> TakeFileSteps() {
  std::lock_guard lock(TheSteps().mutex);
  return std::exchange(TheSteps().list, {});
}

}  // namespace sluice

// What the program and SQLite see in place of libc's own.
extern "C" {

int fsync(int fd) {
  static const auto next = sluice::Next<int (*)(int)>("fsync");
  return sluice::NoteSync(fd, next(fd));
}

int fdatasync(int fd) {
  static const auto next = sluice::Next<int (*)(int)>("fdatasync");
  return sluice::NoteSync(fd, next(fd));
}

int rename(const char* from, const char* to) noexcept {
  static const auto next = sluice::Next<int (*)(const char*, const char*)>("rename");
  const int result = next(from, to);
  if (result == 0) sluice::Note("rename " + std::string(from) + " " + to);
  return result;
}
}

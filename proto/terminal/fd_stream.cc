#include "proto/terminal/fd_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace sluice {
namespace {

// Fewer calls of the system; a reader on a slow line still sees it grow.
constexpr size_t kBufferBytes = 16 << 10;

// 0, or errno.
int WriteAll(int fd, const char* text, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, text, size);
    if (written >= 0) {
      text += written;
      size -= static_cast<size_t>(written);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // Somebody shares it with us and does not want to wait; we do.
      pollfd ready{fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

std::streamsize FdBuffer::xsputn(const char* text, std::streamsize size) {
  pending_.append(text, static_cast<size_t>(size));
  if (pending_.size() >= kBufferBytes && sync() != 0) return 0;
  return size;
}

FdBuffer::int_type FdBuffer::overflow(int_type c) {
  if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
  const char one = traits_type::to_char_type(c);
  return xsputn(&one, 1) == 1 ? c : traits_type::eof();
}

int FdBuffer::sync() {
  if (error_ == 0) error_ = WriteAll(fd_, pending_.data(), pending_.size());
  pending_.clear();
  return error_ == 0 ? 0 : -1;
}

int WriteErrorOf(const std::ostream& out) {
  const auto* buffer = dynamic_cast<const FdBuffer*>(out.rdbuf());
  return buffer == nullptr ? 0 : buffer->error();
}

void OpenStandardStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free one is `fd`. The wrong way round on purpose.
    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace sluice

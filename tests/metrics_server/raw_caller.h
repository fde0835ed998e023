// One TCP connection to a server under test, which says what it is told to and
// nothing else.
#ifndef SLUICE_TESTS_METRICS_SERVER_RAW_CALLER_H_
#define SLUICE_TESTS_METRICS_SERVER_RAW_CALLER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

namespace sluice {

class RawCaller {
 public:
  // `receive_buffer`: of its socket; 0: as the system has it.
  explicit RawCaller(int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  RawCaller(RawCaller&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  ~RawCaller() {
    if (fd_ >= 0) close(fd_);
  }

  bool Connect(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  void Send(const std::string& text) { (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  void Ask(const std::string& path, const std::string& fields = "", const std::string& method = "GET") {
    Send(method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }

  // Whether the server has closed by now.
  bool IsClosed() {
    char byte;
    const ssize_t n = recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
  }

  // The next answer, head and body, by its Content-Length; what came of it where
  // the server closed before.
  std::string Answer(bool has_body = true) {
    size_t head = 0;
    while ((head = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadSome()) return std::exchange(buffer_, "");
    }
    size_t size = head + 4;
    const size_t length = buffer_.find("Content-Length: ");
    if (has_body && length < head) size += std::strtoull(buffer_.c_str() + length + 16, nullptr, 10);
    while (buffer_.size() < size) {
      if (!ReadSome()) break;
    }
    std::string answer = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return answer;
  }
  // Whatever comes until the server closes.
  std::string ToTheEnd() {
    while (ReadSome()) {
    }
    return std::exchange(buffer_, "");
  }

 private:
  bool ReadSome() {
    char bytes[16384];
    const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
    if (n > 0) buffer_.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }

  int fd_;
  std::string buffer_;
};

// What one GET on a connection of its own brings.
inline std::string Get(int port, const std::string& path, const std::string& fields = "") {
  RawCaller caller;
  if (!caller.Connect(port)) return "no connection";
  caller.Ask(path, fields);
  return caller.Answer();
}

}  // namespace sluice

#endif  // SLUICE_TESTS_METRICS_SERVER_RAW_CALLER_H_

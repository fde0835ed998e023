#include "server/upstream/connection.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <system_error>
#include <utility>

#include "server/upstream/curl_multi.h"
#include "server/upstream/name_lookup.h"

namespace sluice {
namespace {

// One TLS record. OpenSSL wants a write that it could not finish repeated
// whole, so pieces are small.
constexpr size_t kTlsPiece = 16 * 1024;

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

IoResult FromErrno(int error) {
  if (WouldBlock(error)) return {IoResult::Kind::kAgain, 0, 0};
  return {IoResult::Kind::kBroken, 0, error};
}

IoResult FromCurl(CURL* easy, CURLcode code) {
  if (code == CURLE_AGAIN) return {IoResult::Kind::kAgain, 0, 0};
  long error = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
  return {IoResult::Kind::kBroken, 0, static_cast<int>(error)};
}

IoResult SendPlain(int fd, std::string_view first, std::string_view second) {
  iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                    {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = first.empty() ? parts + 1 : parts;
  message.msg_iovlen = first.empty() || second.empty() ? 1 : 2;
  const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  if (sent < 0) return FromErrno(errno);
  return {IoResult::Kind::kDone, static_cast<size_t>(sent), 0};
}

IoResult SendTls(CURL* easy, std::string_view piece) {
  size_t sent = 0;
  const CURLcode code =
      curl_easy_send(easy, piece.data(), std::min(piece.size(), kTlsPiece), &sent);
  if (code != CURLE_OK) return FromCurl(easy, code);
  return {sent > 0 ? IoResult::Kind::kDone : IoResult::Kind::kAgain, sent, 0};
}

}  // namespace

Connection::Connection(int fd, TimePoint created) : fd_(fd), created_(created), seen_(created) {}

const std::string& Connection::peer() {
  if (peer_.empty()) peer_ = PeerAddress(fd_);
  return peer_;
}

Connection::Connection(std::unique_ptr<CurlTransfer> tls, int fd, TimePoint created)
    : fd_(fd), created_(created), seen_(created), tls_(std::move(tls)) {}

Connection::~Connection() {
  if (tls_ == nullptr) close(fd_);
}

IoResult Connection::Send(std::string_view first, std::string_view second) {
  if (tls_ == nullptr) return SendPlain(fd_, first, second);
  return SendTls(tls_->easy(), first.empty() ? second : first);
}

IoResult Connection::Receive(char* buffer, size_t size) {
  size_t bytes = 0;
  if (tls_ == nullptr) {
    const ssize_t received = recv(fd_, buffer, size, 0);
    if (received < 0) return FromErrno(errno);
    bytes = static_cast<size_t>(received);
  } else {
    const CURLcode code = curl_easy_recv(tls_->easy(), buffer, size, &bytes);
    if (code != CURLE_OK) return FromCurl(tls_->easy(), code);
  }
  return {bytes > 0 ? IoResult::Kind::kDone : IoResult::Kind::kClosed, bytes, 0};
}

bool Connection::Quiet() {
  // Through TLS, so that a session ticket does not pass for a broken peer.
  char unasked;
  return Receive(&unasked, 1).kind == IoResult::Kind::kAgain;
}

std::string DescribeErrno(int error) {
  if (error == 0) return "connection broken";
  std::string text = std::generic_category().message(error);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace sluice

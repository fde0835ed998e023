#include "tests/bench/byte_stream.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <iostream>

namespace sluice::bench {
namespace {

constexpr int kWriteTimeoutMs = 10000;

[[noreturn]] void Die(const std::string& file) {
  std::cerr << "cannot use " << file << ": " << ERR_error_string(ERR_get_error(), nullptr) << "\n";
  std::exit(1);
}

TlsContext NewContext(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method));
  // What is to be written may move while it waits for room.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  // One read for a record, in place of one for its head and one for the rest.
  SSL_CTX_set_read_ahead(context.get(), 1);
  return context;
}

}  // namespace

TlsContext TlsForServer(const std::string& cert_file, const std::string& key_file) {
  TlsContext context = NewContext(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), cert_file.c_str()) != 1) Die(cert_file);
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) Die(key_file);
  return context;
}

TlsContext TlsForClient(const std::string& ca_file) {
  TlsContext context = NewContext(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) Die(ca_file);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

ByteStream::ByteStream(int fd, SSL_CTX* context, Side side) : fd_(fd) {
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd_);
  if (side == Side::kServer) {
    SSL_set_accept_state(ssl_.get());
    return;
  }
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), "127.0.0.1");
  SSL_set_connect_state(ssl_.get());
}

ByteStream::~ByteStream() { close(fd_); }

ssize_t ByteStream::Read(char* to, size_t size) {
  if (!ssl_) return recv(fd_, to, size, 0);
  ERR_clear_error();
  return Result(SSL_read(ssl_.get(), to, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

ssize_t ByteStream::Write(const char* from, size_t size) {
  if (!ssl_) return send(fd_, from, size, MSG_NOSIGNAL);
  ERR_clear_error();
  return Result(SSL_write(ssl_.get(), from, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

ssize_t ByteStream::Result(int result) {
  if (result > 0) return result;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      errno = EPROTO;
      return -1;
  }
}

bool ByteStream::WriteAll(const std::string& bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t sent = Write(bytes.data() + at, bytes.size() - at);
    if (sent > 0) {
      at += static_cast<size_t>(sent);
      continue;
    }
    if (sent == 0 || (errno != EAGAIN && errno != EINTR)) return false;
    // In a handshake it is the other side's turn.
    pollfd wanted{fd_, static_cast<short>(ssl_ && SSL_want_read(ssl_.get()) ? POLLIN : POLLOUT), 0};
    if (poll(&wanted, 1, kWriteTimeoutMs) <= 0) return false;
  }
  return true;
}

}  // namespace sluice::bench

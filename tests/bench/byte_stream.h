// A connected socket that does not block, with TLS or without. Used by one
// thread at a time.
#ifndef SLUICE_TESTS_BENCH_BYTE_STREAM_H_
#define SLUICE_TESTS_BENCH_BYTE_STREAM_H_

#include <openssl/ssl.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

namespace sluice::bench {

struct FreeSsl {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeSsl>;

// End the program with a line when a file cannot be used. PEM files.
TlsContext TlsForServer(const std::string& cert_file, const std::string& key_file);
TlsContext TlsForClient(const std::string& ca_file);

class ByteStream {
 public:
  enum class Side { kServer, kClient };

  // Owns `fd` and sets it not to block. `context` is null without TLS, and
  // outlives the stream. A client checks the certificate for 127.0.0.1.
  ByteStream(int fd, SSL_CTX* context, Side side);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  int fd() const { return fd_; }

  // As recv and send: -1 with errno EAGAIN when the socket has none, or no
  // room; 0 is the end. The handshake is part of the first.
  ssize_t Read(char* to, size_t size);
  ssize_t Write(const char* from, size_t size);

  // Something was read from the socket that Read has not given yet.
  bool HasPending() const { return ssl_ && SSL_has_pending(ssl_.get()); }

  // Waits for room until all is taken; false when the connection is lost.
  bool WriteAll(const std::string& bytes);

 private:
  ssize_t Result(int result);

  const int fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_BYTE_STREAM_H_

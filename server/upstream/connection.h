// One connected byte stream to an upstream: a bare socket, or TLS inside
// libcurl. Non-blocking. Destroying it closes it. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_CONNECTION_H_
#define SLUICE_SERVER_UPSTREAM_CONNECTION_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/resilience/time.h"

namespace sluice {

class CurlTransfer;

struct IoResult {
  enum class Kind {
    kDone,    // `bytes` > 0 were moved
    kAgain,   // wait until the descriptor is ready
    kClosed,  // the peer closed in good order (reading only)
    kBroken,  // `error` says how
  };
  Kind kind = Kind::kAgain;
  size_t bytes = 0;
  int error = 0;  // errno, 0 if unknown
};

class Connection {
 public:
  // Takes the descriptor over.
  Connection(int fd, TimePoint created);
  // TLS: the transfer owns the descriptor and the session.
  Connection(std::unique_ptr<CurlTransfer> tls, int fd, TimePoint created);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  TimePoint created() const { return created_; }
  // The address at its other end, as NameLookup has them.
  const std::string& peer();
  // When that was last found to be one of its host's; at first: created().
  TimePoint seen() const { return seen_; }
  void set_seen(TimePoint when) { seen_ = when; }
  // Bytes may wait above the descriptor: read until kAgain.
  bool buffers() const { return tls_ != nullptr; }

  // Sends some of `first`, then of `second`.
  IoResult Send(std::string_view first, std::string_view second);
  IoResult Receive(char* buffer, size_t size);
  // Whether an unused connection is still good: nothing to read, not closed.
  bool Quiet();

 private:
  const int fd_;
  const TimePoint created_;
  TimePoint seen_;
  std::string peer_;  // once it was asked for
  std::unique_ptr<CurlTransfer> tls_;
};

// "connection reset by peer", for people.
std::string DescribeErrno(int error);

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONNECTION_H_

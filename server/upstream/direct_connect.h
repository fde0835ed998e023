// Connects to an address with the system's own connect(). Where there is no
// name to resolve, no proxy and no TLS, as with model servers listed by address,
// libcurl adds nothing but two turns of the loop and some fifteen system calls.
// Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_DIRECT_CONNECT_H_
#define SLUICE_SERVER_UPSTREAM_DIRECT_CONNECT_H_

#include <sys/socket.h>

#include <memory>

#include "server/runtime/loop.h"
#include "server/upstream/connect_attempt.h"
#include "server/upstream/http_transport.h"

namespace sluice {

// Where an endpoint's host is an address: that address.
class SocketAddress {
 public:
  explicit SocketAddress(const HttpEndpoint& endpoint);

  // False: the host is a name.
  bool known() const { return size_ != 0; }
  int family() const { return storage_.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

class DirectConnect : public ConnectAttempt, private FdHandler {
 public:
  // Whether an endpoint is reached this way.
  static bool Fits(const HttpEndpoint& endpoint, const SocketAddress& address);

  // `done` is called in a later turn, once, unless the attempt is destroyed
  // before or the connection is there at once; it may destroy the attempt.
  static ConnectStart Start(IoLoop& loop, std::shared_ptr<const HttpEndpoint> endpoint,
                            const SocketAddress& address, Duration max_time, Done done);
  ~DirectConnect() override;
  DirectConnect(const DirectConnect&) = delete;
  DirectConnect& operator=(const DirectConnect&) = delete;

 private:
  DirectConnect(IoLoop& loop, std::shared_ptr<const HttpEndpoint> endpoint,
                const SocketAddress& address, Done done);

  void Await(int fd, Duration max_time);
  void FailLater(int error);
  void OnReady(bool readable, bool writable) override;
  // May destroy this.
  void Finish(ConnectResult result);
  void Fail(int error);

  IoLoop& loop_;
  const std::shared_ptr<const HttpEndpoint> endpoint_;
  const SocketAddress address_;
  Done done_;
  Timer timer_;
  int fd_ = -1;  // while connecting
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_DIRECT_CONNECT_H_

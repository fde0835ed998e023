#include "server/upstream/direct_connect.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "proto/listen/descriptor_budget.h"
#include "server/upstream/connect_error.h"

namespace sluice {
namespace {

// As libcurl sets them for the other connections.
constexpr int kKeepaliveSeconds = 60;

void SetOption(int fd, int level, int name, int value) {
  // None of them decides whether the connection works.
  setsockopt(fd, level, name, &value, sizeof(value));
}

// Negative: errno says why.
int NewSocket(int family) {
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) return fd;
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // An idle connection whose peer is gone without a word is found in the end.
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveSeconds);
  return fd;
}

bool UnderWay(int error) { return error == EINPROGRESS || error == EALREADY || error == EINTR; }

// Begins, or asks how far it has come: 0, or errno.
int ConnectSocket(int fd, const SocketAddress& address) {
  if (connect(fd, address.get(), address.size()) == 0 || errno == EISCONN) return 0;
  return errno;
}

}  // namespace

SocketAddress::SocketAddress(const HttpEndpoint& endpoint) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage_);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage_);
  if (inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    size_ = sizeof(*v4);
  } else if (inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    size_ = sizeof(*v6);
  }
}

bool DirectConnect::Fits(const HttpEndpoint& endpoint, const SocketAddress& address) {
  return address.known() && !endpoint.tls && endpoint.proxy.empty();
}

ConnectStart DirectConnect::Start(IoLoop& loop, std::shared_ptr<const HttpEndpoint> endpoint,
                                  const SocketAddress& address, Duration max_time, Done done) {
  const int fd = NewSocket(address.family());
  int error = fd < 0 ? errno : ConnectSocket(fd, address);
  // On this host the handshake is over by now, only the first call could not
  // know. Elsewhere it costs one call to be told that it is under way.
  if (error == EINPROGRESS) error = ConnectSocket(fd, address);
  if (error == 0) return {std::make_unique<Connection>(fd, loop.Now()), nullptr};

  std::unique_ptr<DirectConnect> attempt(
      new DirectConnect(loop, std::move(endpoint), address, std::move(done)));
  if (UnderWay(error)) {
    attempt->Await(fd, max_time);
  } else {
    if (fd >= 0) close(fd);
    attempt->FailLater(error);
  }
  return {nullptr, std::move(attempt)};
}

DirectConnect::DirectConnect(IoLoop& loop, std::shared_ptr<const HttpEndpoint> endpoint,
                             const SocketAddress& address, Done done)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      address_(address),
      done_(std::move(done)),
      timer_(loop) {}

DirectConnect::~DirectConnect() {
  if (fd_ < 0) return;
  loop_.Unwatch(fd_);
  close(fd_);
}

void DirectConnect::Await(int fd, Duration max_time) {
  fd_ = fd;
  loop_.Watch(fd_, false, true, this);
  timer_.Set(loop_.Now() + max_time, [this] { Fail(ETIMEDOUT); });
}

void DirectConnect::FailLater(int error) {
  timer_.Set(loop_.Now(), [this, error] { Fail(error); });
}

void DirectConnect::OnReady(bool, bool) {
  const int error = ConnectSocket(fd_, address_);
  if (UnderWay(error)) return;
  if (error != 0) return Fail(error);
  loop_.Unwatch(fd_);
  Finish({std::make_unique<Connection>(std::exchange(fd_, -1), loop_.Now()), "", false});
}

void DirectConnect::Fail(int error) {
  const int code = error == ETIMEDOUT ? CURLE_OPERATION_TIMEDOUT : CURLE_COULDNT_CONNECT;
  Finish({nullptr, DescribeConnectError(*endpoint_, code, error, ""), IsOutOfDescriptors(error)});
}

void DirectConnect::Finish(ConnectResult result) {
  timer_.Cancel();
  Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace sluice

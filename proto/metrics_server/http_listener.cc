#include "proto/metrics_server/http_listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice {
namespace {

using boost::asio::ip::tcp;
using Error = boost::system::error_code;
using State = HttpConnection::State;

// Where descriptors or memory have run out, it is as good as at once for a
// probe, and 10 tries a second cost nothing.
constexpr std::chrono::milliseconds kAgain(100);

tcp FamilyOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
}

}  // namespace

HttpListener::HttpListener(boost::asio::io_context& io, const std::vector<int>& listeners, size_t max_connections,
                           const HttpTimeouts& timeouts, const HttpHandler& handler)
    : max_connections_(max_connections), timeouts_(timeouts), handler_(handler) {
  for (int fd : listeners) {
    ports_.push_back({tcp::acceptor(io, FamilyOf(fd), fd), boost::asio::steady_timer(io)});
    ports_.back().acceptor.non_blocking(true);
  }
}

void HttpListener::Start() {
  for (Port& port : ports_) Accept(port);
}

// Waits before it accepts: accept(2) wants a descriptor also where nobody has
// come, and EMFILE is to mean that somebody has.
void HttpListener::Accept(Port& port) {
  port.acceptor.async_wait(tcp::acceptor::wait_read, [this, &port](Error error) {
    if (error == boost::asio::error::operation_aborted) return;
    tcp::socket socket(port.acceptor.get_executor());
    if (!error) port.acceptor.accept(socket, error);
    const bool left_again = error == boost::asio::error::would_block || error == boost::asio::error::connection_aborted;
    if (error && !left_again) return AcceptLater(port);
    // Whatever becomes of this one, others are accepted.
    Accept(port);
    if (!error) Take(std::move(socket));
  });
}

// EMFILE and the like. One of ours that says nothing may be what is missing.
void HttpListener::AcceptLater(Port& port) {
  MakeRoom();
  port.again.expires_after(kAgain);
  port.again.async_wait([this, &port](Error error) {
    if (!error) Accept(port);
  });
}

void HttpListener::Take(tcp::socket socket) {
  if (connections_.size() >= max_connections_ && !MakeRoom()) return;  // closed with the socket
  const HttpConnection::Watcher watcher{
      [this](const HttpConnection& changed) { connections_.splice(connections_.end(), connections_, Find(changed)); },
      [this](const HttpConnection& closed) { connections_.erase(Find(closed)); }};
  connections_.push_back(std::make_shared<HttpConnection>(std::move(socket), timeouts_, handler_, watcher));
  connections_.back()->Start();
}

// Who does not take an answer is next: that of others takes milliseconds. Those
// whose page is being built stay.
bool HttpListener::MakeRoom() {
  for (State state : {State::kSilent, State::kWriting}) {
    const auto oldest = std::find_if(connections_.begin(), connections_.end(),
                                     [state](const auto& each) { return each->state() == state; });
    if (oldest == connections_.end()) continue;
    (*oldest)->Close();
    return true;
  }
  return false;
}

HttpListener::Connections::iterator HttpListener::Find(const HttpConnection& connection) {
  return std::find_if(connections_.begin(), connections_.end(),
                      [&connection](const auto& each) { return each.get() == &connection; });
}

}  // namespace sluice

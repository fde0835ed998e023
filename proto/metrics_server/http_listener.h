// Accepts connections for the metrics server, up to a bound: beyond it the one
// that has been silent longest gives way, so that whoever connects and says
// nothing keeps no scrape out. On the I/O thread; made and ended on another
// one while that does not run.
#ifndef SLUICE_PROTO_METRICS_SERVER_HTTP_LISTENER_H_
#define SLUICE_PROTO_METRICS_SERVER_HTTP_LISTENER_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <vector>

#include "proto/metrics_server/http_connection.h"

namespace sluice {

class HttpListener {
 public:
  // Takes over `listeners`, sockets that listen. `handler` lives longer.
  HttpListener(boost::asio::io_context& io, const std::vector<int>& listeners, size_t max_connections,
               const HttpTimeouts& timeouts, const HttpHandler& handler);

  void Start();

 private:
  struct Port {
    boost::asio::ip::tcp::acceptor acceptor;
    boost::asio::steady_timer again;
  };
  using Connections = std::list<std::shared_ptr<HttpConnection>>;

  void Accept(Port& port);
  void AcceptLater(Port& port);
  void Take(boost::asio::ip::tcp::socket socket);
  bool MakeRoom();
  Connections::iterator Find(const HttpConnection& connection);

  const size_t max_connections_;
  const HttpTimeouts timeouts_;
  const HttpHandler& handler_;
  std::list<Port> ports_;
  // The one whose state has been the same for longest comes first.
  Connections connections_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_METRICS_SERVER_HTTP_LISTENER_H_

// One connection of the metrics server: reads a request's head, asks the
// handler, writes the answer, again and again. All on the I/O thread, every
// step with a limit of time.
#ifndef SLUICE_PROTO_METRICS_SERVER_HTTP_CONNECTION_H_
#define SLUICE_PROTO_METRICS_SERVER_HTTP_CONNECTION_H_

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "proto/metrics_server/http_answer.h"

namespace sluice {

struct HttpTimeouts {
  // From the connection to the whole head of its first request.
  absl::Duration head = absl::Seconds(10);
  // From an answer to the whole head of the next request: longer than the minute
  // that lies between the scrapes of a Prometheus as it is delivered.
  absl::Duration idle = absl::Minutes(2);
  // For an answer to be taken. Prometheus gives up a scrape after 10 s.
  absl::Duration write = absl::Seconds(30);
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // Silent: it has not sent a whole request.
  enum class State { kSilent, kServed, kWriting };
  // Hears of each new state; the connection does nothing afterwards once it is
  // closed. `closed` comes once, last.
  struct Watcher {
    std::function<void(const HttpConnection&)> changed;
    std::function<void(const HttpConnection&)> closed;
  };

  HttpConnection(boost::asio::ip::tcp::socket socket, const HttpTimeouts& timeouts, const HttpHandler& handler,
                 Watcher watcher);

  void Start();
  // At once; what is under way is given up.
  void Close();
  State state() const { return state_; }

 private:
  using Error = boost::beast::error_code;

  void ReadHead(absl::Duration limit);
  void OnHead(Error error);
  void Refuse(Error error);
  void Answer(HttpAnswer answer, bool keep_alive);
  void OnWritten(Error error);
  void Linger();
  void Enter(State state);

  boost::beast::tcp_stream stream_;
  const HttpTimeouts timeouts_;
  const HttpHandler& handler_;
  const Watcher watcher_;
  State state_ = State::kSilent;
  bool closed_ = false;
  // A head of 8 KiB at most, and what was sent along with it.
  boost::beast::flat_buffer buffer_{16 << 10};
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  bool head_only_ = false;
  bool keep_alive_ = false;
  std::string head_;
  std::string body_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_METRICS_SERVER_HTTP_CONNECTION_H_

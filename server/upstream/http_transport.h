// The seam between the engine and HTTP: one request, one response, on the
// loop that the transport belongs to. The engine owns every timeout; dropping
// the exchange is how it gives up.
#ifndef SLUICE_SERVER_UPSTREAM_HTTP_TRANSPORT_H_
#define SLUICE_SERVER_UPSTREAM_HTTP_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/resilience/time.h"

namespace sluice {

class Authorities;

struct PoolLimits {
  size_t max_open = 10000;
  size_t max_idle = 100;
  Duration max_idle_time = absl::Seconds(50);
  Duration max_lifetime = absl::Minutes(30);
  // How often the host of connections that are open is looked up anew.
  Duration resolve_every = absl::Seconds(30);
};

// Where to connect, and how. Immutable; shared by the calls of a snapshot.
struct HttpEndpoint {
  bool tls = false;
  std::string host;       // name or address, IPv6 without brackets
  uint16_t port = 0;
  std::string base_path;  // "/v1", no slash at the end; may be empty
  std::shared_ptr<const Authorities> authorities;  // null: the system's
  std::string server_name;  // for SNI and the check; empty: host
  std::string proxy;        // "http://host:port", or empty
  PoolLimits pool;
  // Draining and disabled endpoints keep no idle connection.
  bool keep_idle = true;

  // Equal keys may share connections: scheme, host, port, TLS and proxy.
  std::string PoolKey() const;
};

struct HttpRequest {
  std::shared_ptr<const HttpEndpoint> endpoint;
  std::string method = "POST";
  std::string path;  // below base_path: "/chat/completions"
  // Less Host, Content-Length and Connection, which the transport sets.
  std::vector<std::pair<std::string, std::string>> headers;
  // Held once for all attempts of a call.
  std::shared_ptr<const std::string> body;
};

// Status line and headers of a response.
class HttpHead {
 public:
  virtual ~HttpHead() = default;
  virtual int status() const = 0;
  // Case-insensitive; empty if absent; the first of several. Valid as long as
  // the head.
  virtual std::string_view header(std::string_view name) const = 0;
};

enum class HttpFailure {
  kConnect,    // no connection: DNS, refused, unreachable, TLS, proxy
  kPoolFull,   // max_open connections are busy
  kNoDescriptor,  // no file descriptor for a connection: a limit of this process
  kReset,      // the connection broke before the response was complete
  kProtocol,   // not HTTP/1.1, or over a bound
};

// Hears of one exchange. Never called from within Start, Pause, Resume or the
// destructor of the exchange; each call is one turn's news, and may destroy
// the exchange.
class HttpExchangeObserver {
 public:
  virtual ~HttpExchangeObserver() = default;
  // A connection is there and the request goes out now; not after
  // sent_at_start(). `reused`: from the pool.
  virtual void OnConnected(bool reused) = 0;
  // Valid for the call.
  virtual void OnHead(const HttpHead& head) = 0;
  // A piece of the body, as it arrived (de-chunked). Valid for the call.
  virtual void OnBody(std::string_view bytes) = 0;
  // The response is whole. Last.
  virtual void OnEnd() = 0;
  // `message` is for people, names the cause, holds no secret. Last.
  virtual void OnFailure(HttpFailure failure, std::string_view message) = 0;
};

// One request under way. Destroying it before its end closes the connection
// at once, so that the upstream notices.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  // Right after Start: a connection, of the pool or made at once, took the request
  // already. Then OnConnected is not called.
  virtual bool sent_at_start() const { return false; }
  // Stops and restarts the reading of the body: back-pressure.
  virtual void Pause() = 0;
  virtual void Resume() = 0;
};

// One per loop; outlives its exchanges.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // `observer` must outlive the exchange. A pooled connection found dead
  // before the first byte of the request was sent is replaced once, free;
  // anything later is a failure.
  virtual std::unique_ptr<HttpExchange> Start(HttpRequest request, HttpExchangeObserver* observer) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_HTTP_TRANSPORT_H_

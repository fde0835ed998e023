// Connects to upstreams through libcurl: names, both address families, proxies,
// TLS with verification and session reuse. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_CONNECTOR_H_
#define SLUICE_SERVER_UPSTREAM_CONNECTOR_H_

#include <curl/curl.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/runtime/loop.h"
#include "server/upstream/connection.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/transport_options.h"

namespace sluice {

class CurlMulti;
class CurlTransfer;

// What came of an attempt: a connection, or an error for people.
struct ConnectResult {
  std::unique_ptr<Connection> connection;
  std::string error;
};

// An attempt under way. Destroying it gives it up.
class ConnectAttempt {
 public:
  using Done = absl::AnyInvocable<void(ConnectResult)>;

  ~ConnectAttempt();

 private:
  friend class Connector;
  ConnectAttempt() = default;

  struct curl_slist* connect_to_ = nullptr;
  std::unique_ptr<CurlTransfer> transfer_;
};

class Connector {
 public:
  Connector(IoLoop& loop, const TransportOptions& options);
  // Attempts and connections must be gone.
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // `done` is called in a later turn, once, unless the attempt is destroyed
  // before; it may destroy the attempt.
  std::unique_ptr<ConnectAttempt> Connect(std::shared_ptr<const HttpEndpoint> endpoint,
                                          ConnectAttempt::Done done);

 private:
  CurlMulti& PickMulti();
  void SetOptions(CURL* easy, const HttpEndpoint& endpoint);
  void SetTarget(ConnectAttempt& attempt, const HttpEndpoint& endpoint);
  ConnectResult Finish(ConnectAttempt& attempt, const HttpEndpoint& endpoint, CURLcode code);

  IoLoop& loop_;
  const TransportOptions& options_;
  CURLSH* const share_;  // TLS sessions and names, for all multis
  std::vector<std::unique_ptr<CurlMulti>> multis_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONNECTOR_H_

// Connects to upstreams: to a bare address by the system's connect(), else
// through libcurl, which knows names, both address families, proxies, and TLS
// with verification and session reuse. Loop thread only.
#ifndef SLUICE_SERVER_UPSTREAM_CONNECTOR_H_
#define SLUICE_SERVER_UPSTREAM_CONNECTOR_H_

#include <curl/curl.h>

#include <memory>
#include <string>
#include <vector>

#include "server/runtime/loop.h"
#include "server/upstream/connect_attempt.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/transport_options.h"

namespace sluice {

class CurlAttempt;
class CurlMulti;

class Connector {
 public:
  Connector(IoLoop& loop, const TransportOptions& options);
  // Attempts and connections must be gone.
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // `done` is called in a later turn, once, unless the attempt is destroyed
  // before or the connection is there at once; it may destroy the attempt.
  // `anew`: the host's name is looked up, whatever is remembered of it.
  ConnectStart Connect(std::shared_ptr<const HttpEndpoint> endpoint, bool anew, ConnectAttempt::Done done);

 private:
  std::unique_ptr<ConnectAttempt> ConnectByCurl(std::shared_ptr<const HttpEndpoint> endpoint, bool anew,
                                                ConnectAttempt::Done done);
  CurlMulti& PickMulti(bool of_the_system);
  void SetOptions(CURL* easy, const HttpEndpoint& endpoint, bool anew);
  void SetTarget(CurlAttempt& attempt, const HttpEndpoint& endpoint);
  ConnectResult Finish(CurlAttempt& attempt, const HttpEndpoint& endpoint, CURLcode code);

  IoLoop& loop_;
  const TransportOptions& options_;
  CURLSH* const share_;  // TLS sessions and names, for all multis
  struct Multi {
    bool of_the_system;  // its connections trust the system's authorities
    std::unique_ptr<CurlMulti> curl;
  };
  std::vector<Multi> multis_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONNECTOR_H_

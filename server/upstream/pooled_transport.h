// The production HttpTransport: HTTP/1.1 over pooled connections that the connector
// makes. One per loop; everything on its loop's thread, but Stats.
//
//   EpollLoop loop;
//   auto registry = std::make_shared<PoolRegistry>();  // one for all loops
//   PooledHttpTransport transport(loop, TransportOptions(), registry);
//   auto exchange = transport.Start(std::move(request), &observer);
//
// It never sends a request twice: only a pooled connection that turns out to be
// dead before the first byte was taken by the kernel is replaced.
#ifndef SLUICE_SERVER_UPSTREAM_POOLED_TRANSPORT_H_
#define SLUICE_SERVER_UPSTREAM_POOLED_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/runtime/loop.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/shared_pool.h"
#include "server/upstream/transport_options.h"

namespace sluice {

// One pool of one loop. The first two are levels, the rest only rise (until
// an unused pool is forgotten: TransportOptions::forget_pool_after).
struct PoolStats {
  std::string endpoint;  // "https://api.example.com:443", no credentials
  std::string proxy;     // "proxy:3128" or empty, no credentials
  uint64_t open = 0;     // busy, idle, and being connected
  uint64_t idle = 0;
  uint64_t connects = 0;          // connections made
  uint64_t connect_failures = 0;  // connections that could not be made
  uint64_t reuses = 0;            // requests sent on a connection used before
  uint64_t dead = 0;              // idle connections found dead
  uint64_t resets = 0;            // connections that broke in mid-exchange
  uint64_t refused = 0;           // requests refused because max_open were busy, on all loops
};

class TransportCore;

class PooledHttpTransport : public HttpTransport {
 public:
  // The limits of pools hold for all transports of the registry together; without
  // one, for this transport alone.
  explicit PooledHttpTransport(IoLoop& loop, TransportOptions options = {},
                               std::shared_ptr<PoolRegistry> registry = nullptr);
  // On the loop thread, or when the loop no longer runs. Idle connections are
  // closed; an exchange that is still open goes silent.
  ~PooledHttpTransport() override;

  // Host is the endpoint's server_name if it has one, else its host.
  std::unique_ptr<HttpExchange> Start(HttpRequest request,
                                      HttpExchangeObserver* observer) override;

  // A new revision changed an endpoint: its pool takes the new limits now
  // (Start does the same), and closes its idle connections unless keep_idle.
  void Adopt(const HttpEndpoint& endpoint);

  // Any thread.
  std::vector<PoolStats> Stats() const;

 private:
  std::unique_ptr<TransportCore> core_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_POOLED_TRANSPORT_H_

// The bounds of the upstream transport. Set once, at start.
#ifndef SLUICE_SERVER_UPSTREAM_TRANSPORT_OPTIONS_H_
#define SLUICE_SERVER_UPSTREAM_TRANSPORT_OPTIONS_H_

#include <cstddef>

#include "server/resilience/time.h"

namespace sluice {

struct TransportOptions {
  // Status line and headers of a response, and any line between two chunks.
  // Well above what any provider or proxy sends.
  size_t max_head_bytes = 64 * 1024;
  // What one connection may read in one turn before the others get theirs;
  // also the size of the receive buffer that all connections of a loop share.
  size_t read_bytes_per_turn = 64 * 1024;
  // A net below the engine's own connect timeout, which is always shorter.
  Duration max_connect_time = absl::Minutes(2);
  // How long a resolved name is kept. Providers move traffic by DNS with TTLs
  // of about a minute.
  Duration dns_cache_time = absl::Seconds(60);
  // How long the system's authorities are trusted without looking again: parsing
  // them takes many milliseconds, and replaced ones should count soon.
  Duration ca_cache_time = absl::Minutes(5);
  // The second address family is tried after this.
  Duration happy_eyeballs_delay = absl::Milliseconds(200);
  // How often a call that finds no room asks another loop to give up an idle
  // connection. That may have been taken by then: where it happens again and
  // again all are as good as busy, and the call does better elsewhere.
  int room_requests = 3;
  // A pool without a connection is forgotten after this, so that endpoints
  // that went from the policy leave nothing behind.
  Duration forget_pool_after = absl::Minutes(10);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_TRANSPORT_OPTIONS_H_

// Settings of the gRPC face, given at start. Every bound has a default and a
// reason.
#ifndef SLUICE_SERVER_SERVICE_FACE_OPTIONS_H_
#define SLUICE_SERVER_SERVICE_FACE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "proto/listen/descriptor_guard.h"
#include "server/resilience/time.h"
#include "server/service/idempotency_store.h"

namespace sluice {

class TlsRenewal;

// When a loop reads callers' sockets itself (caller_poll.h).
struct CallerPollOptions {
  // From this rate on: a message each 200 µs. Below, the loop sleeps longer than
  // a caller should wait, and the notification thread wakes less often anyway.
  // Infinite: never.
  double messages_per_second = 5000;
  // And from so many open calls on, until a quarter of them is left: their
  // upstreams wake the loop, which nothing of gRPC's does while it sleeps.
  int64_t open_calls = 64;
  // Over which the rate is taken: a burst of one answer's end is no load.
  Duration window = absl::Milliseconds(10);
  // A loop whose turn took longer is no reader: new calls would wait unseen, and
  // be shed by no lag. Usual turns take some 50 µs.
  Duration long_turn = absl::Milliseconds(5);
  // Between two looks, of which each costs some 0.5 µs where there is nothing.
  Duration interval = absl::Microseconds(100);
  // A new call waits so long at most, should all upstreams fall silent at once.
  // Until then they wake the loop. A timeout of some 100 µs would be the next to
  // be due on its core at every sleep, and setting the core's timer is a trap into
  // the hypervisor: 3 µs a chunk.
  Duration max_sleep = absl::Milliseconds(2);
};

struct FaceOptions {
  // "host:port" or "[v6]:port"; port 0 takes a free one.
  std::string listen = "127.0.0.1:8443";
  // The certificate that callers see; outlives the face. Null: plain text.
  TlsRenewal* tls = nullptr;

  // Callers' connections count here; null: none are refused for their number.
  std::shared_ptr<DescriptorGuard> descriptors;
  // A connection that has sent nothing in this time, or has not come to the end of
  // its TLS and HTTP/2 greetings, is closed: it would hold a descriptor for nothing.
  Duration handshake_timeout = absl::Seconds(10);

  // Largest request. Images travel inside requests: gRPC's own 4 MiB is too
  // little, and without a bound one caller could take all memory. gRPC's own bound
  // lies above it (caller_bounds.h).
  size_t max_request_bytes = 32 << 20;
  // Largest metadata of a call. Tokens and baggage that proxies add outgrow gRPC's
  // own 8 KiB. gRPC's own bound lies above it (caller_bounds.h), for gRPC 1.51 ends
  // the whole connection, with all its streams, over one call that exceeds it.
  size_t max_metadata_bytes = 64 << 10;
  // Chat and StreamChat at a time, all loops together. Each holds an upstream
  // connection, so this stays below the usual limit of 20,000 descriptors with
  // room for callers' connections; at some 40 KiB a call it is 400 MiB.
  int64_t max_concurrent_calls = 10000;
  // Bytes of the requests of all calls that run: those that wait for a retry too.
  // Beside the message itself a call holds what is sent upstream, of about the
  // same size, so this is half of what requests may take. 512 MiB: ten thousand
  // calls of 50 KiB.
  size_t max_request_memory = 512 << 20;
  // A loop that is so late with a new call serves those that run badly enough:
  // the next data plane can do better. Zero: never refuse for it.
  Duration shed_at_lag = absl::Seconds(1);
  // What a refused caller is told to wait.
  Duration overload_retry_after = absl::Seconds(1);
  // Answers kept for callers that repeat a request under its idempotency key. Ten
  // minutes are longer than what retries take; 1 MiB is some 15,000 tokens, far
  // above most answers; 64 MiB are thousands of usual ones.
  IdempotencyLimits idempotency;
  // Health watchers at a time; each costs little, but nothing is unbounded.
  size_t max_health_watchers = 1000;

  // Requests asked of gRPC ahead, per loop: a burst of this many calls is taken
  // without waiting for the notification thread to ask again.
  int stream_requests_ahead = 16;
  int unary_requests_ahead = 4;

  // All of gRPC in a process polls one epoll set: where two threads wait for it,
  // every event wakes both, one to serve it and one to take its place. One
  // thread reads for several loops with little effort, as callers send little.
  size_t loops_per_notifier = 4;

  CallerPollOptions caller_poll;

  // How often a loop looks at its queue, which no thread waits for. While gRPC
  // holds a write back: 1 ms, the most that a slow reader's stream is delayed
  // by. While calls are open: a cancellation is seen within 10 ms, which costs
  // 1.3 % of a core. While only health watchers are there: 100 ms.
  Duration tick_writing = absl::Milliseconds(1);
  Duration tick_open = absl::Milliseconds(10);
  Duration tick_watching = absl::Milliseconds(100);
  // How soon health tells that the first configuration is in force.
  Duration health_check_interval = absl::Milliseconds(50);

  // Between NOT_SERVING and the end of the port new calls and connections are
  // served as always: who balances by health goes elsewhere in that time, and who
  // does not loses nothing. Three checks of HAProxy (every 2 s) or of a kubelet
  // (every 3 s), and a second for the last to tell.
  Duration drain_grace = absl::Seconds(10);
  // After it callers are told to go, and served for so long at least until all know:
  // more than a round trip to them. Not where there is no grace.
  Duration goaway_grace = absl::Seconds(1);
  // Running calls get this long to end once the server stops; then they are
  // ended, each with its status.
  Duration drain_timeout = absl::Seconds(30);
  // What those ends get to reach callers who read; the rest is cancelled.
  Duration end_grace = absl::Seconds(1);

  // A caller that takes nothing of what ends its call for this long is
  // cancelled: it would hold its slot for as long as it stays connected. gRPC
  // may hold some 4 MiB that it counts as taken only together: a reader of
  // 14 KiB/s is in time.
  Duration end_timeout = absl::Minutes(5);

  // Finds callers whose connection died without a word.
  Duration keepalive_interval = absl::Seconds(30);
  Duration keepalive_timeout = absl::Seconds(10);
  // Callers may send keepalives too, with and without calls: gRPC's default of one
  // in five minutes is longer than most proxies keep a silent connection. Clients
  // send them every 10 s at the most often (gRPC's own least); half of that, so
  // that two which the network brought together are none too many.
  Duration min_ping_interval = absl::Seconds(5);
  // A connection is ended (GOAWAY, ENHANCE_YOUR_CALM) by more pings than this
  // before their time with no data of ours in between: gRPC's default.
  int max_ping_strikes = 2;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_FACE_OPTIONS_H_

// What a data plane learns about an upstream as a whole: its own breaker, the
// limits on what is under way, the throttle, whose turn it is among the
// credentials, the form of requests that its servers take. Shared by every loop and by successive revisions.
#ifndef SLUICE_SERVER_ENGINE_UPSTREAM_STATE_H_
#define SLUICE_SERVER_ENGINE_UPSTREAM_STATE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/engine/endpoint_state.h"
#include "server/engine/learned_forms.h"
#include "server/resilience/circuit_breaker.h"
#include "server/resilience/client_throttle.h"
#include "server/resilience/concurrency_limit.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

class RouteQueue;

struct UpstreamPolicy {
  std::optional<CircuitBreakerConfig> breaker;
  std::optional<ConcurrencyConfig> limits;
  std::optional<ClientThrottleConfig> throttle;
  Dialect dialect = {};
};

struct UpstreamFigures {
  int requests = 0;
  int pending = 0;
  uint64_t tokens = 0;
  uint32_t limit = 0;  // on requests, the adaptive one where there is one; 0: none
  uint64_t throttled = 0;
};

// Thread-safe.
class UpstreamState {
 public:
  UpstreamState();

  void Configure(const UpstreamPolicy& policy, TimePoint now);

  // When its breaker may let an attempt pass; in the past: now.
  TimePoint admits_at(TimePoint now) const;
  // That time is a guess: the breaker is half-open and has no permit left.
  bool probing(TimePoint now) const;
  // Whether another attempt of this size would be within the limits.
  bool HasRoom(uint64_t tokens) const;

  enum class Refusal { kNone, kBreaker, kConcurrency, kThrottle };
  struct Start {
    Refusal refusal = Refusal::kNone;
    CircuitBreaker::Permit permit;
    std::optional<BreakerChange> change;  // open to half open
  };
  // Where it refuses, nothing was taken. Else exactly one Ended or Withdrawn
  // follows.
  Start TryStart(uint64_t tokens, TimePoint now, Random& random);
  void Connected();
  // As EndpointState::Answers.
  std::optional<BreakerChange> Answers(CircuitBreaker::Permit& permit, Duration time_to_first_token, TimePoint now,
                                       Random& random);
  bool TryVerify(CircuitBreaker::Permit& permit, TimePoint now);
  // Both give room back, and wake who waits for it.
  std::optional<BreakerChange> Ended(const CircuitBreaker::Permit& permit, uint64_t tokens, bool connected,
                                     const AttemptResult& result, TimePoint now, Random& random);
  void Withdrawn(const CircuitBreaker::Permit& permit, uint64_t tokens, bool connected, TimePoint now,
                 Random& random);

  // Takes turns among credentials: where the search for a usable one begins.
  uint32_t NextCredential() { return turn_.fetch_add(1, std::memory_order_relaxed); }

  LearnedForms& forms() { return forms_; }

  // The queue is told when room is given back, for as long as it lives.
  void AddWaiter(std::weak_ptr<RouteQueue> queue);

  // For operators and metrics; nothing where it has no breaker of its own.
  std::optional<BreakerFigures> breaker_figures(TimePoint now) const;
  // False: it has none, or its mode keeps it from refusing calls.
  bool TripBreaker(TimePoint now, Duration lasting, std::string reason);
  bool ResetBreaker(TimePoint now);
  UpstreamFigures figures() const;

 private:
  using Waiters = std::vector<std::weak_ptr<RouteQueue>>;

  void TellThrottle(const AttemptResult& result, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<BreakerChange> RecordBreaker(const CircuitBreaker::Permit& permit, const AttemptResult& result,
                                             TimePoint now, Random& random) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(const Waiters& waiters);

  std::atomic<uint32_t> turn_{0};
  LearnedForms forms_;
  mutable std::mutex mutex_;
  std::optional<CircuitBreaker> breaker_ ABSL_GUARDED_BY(mutex_);
  bool has_breaker_ ABSL_GUARDED_BY(mutex_) = false;  // the policy in force says so
  ConcurrencyLimit limit_ ABSL_GUARDED_BY(mutex_);
  std::optional<ClientThrottle> throttle_ ABSL_GUARDED_BY(mutex_);
  uint64_t throttled_ ABSL_GUARDED_BY(mutex_) = 0;
  Waiters waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_UPSTREAM_STATE_H_

// Leave to make one attempt: permits of the breakers, room within the limits,
// a share of the upstream's rate limits. Whatever becomes of the attempt, all
// of it is given back once: a half-open breaker never waits for a lost permit.
#ifndef SLUICE_SERVER_ENGINE_TICKET_H_
#define SLUICE_SERVER_ENGINE_TICKET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/planner.h"
#include "server/resilience/circuit_breaker.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

// Loop thread only. The route must outlive it.
class Ticket {
 public:
  enum class Refusal {
    kNone,
    kEndpoint,     // its breaker
    kUpstream,     // its breaker, or the throttle
    kConcurrency,  // no room at the upstream
    kRateLimit,    // the upstream's requests or tokens are used up
  };

  // What the end of an attempt changed.
  struct Learned {
    std::optional<BreakerChange> endpoint_breaker;
    std::optional<BreakerChange> upstream_breaker;
    std::optional<Duration> ejected;  // for so long
  };

  // Everything or nothing. The refusal, where it is none of `*limit`, names
  // the rate limit there.
  static Refusal Take(const RouteConfig& route, const Plan& plan, uint64_t tokens, TimePoint now, Random& random,
                      Ticket* ticket, std::string* limit);

  Ticket() = default;
  Ticket(Ticket&& other) noexcept { *this = std::move(other); }
  Ticket& operator=(Ticket&& other) noexcept;
  ~Ticket();

  // What taking it changed: an open breaker lets its first probe through.
  const Learned& taken() const { return taken_; }

  // The attempt has a connection.
  void Connected();
  // Its first content came, a success: heard of now, not at the end of a long
  // stream, nor only if its caller stays so long.
  Learned Answers(Duration time_to_first_token, TimePoint now, Random& random);
  // Its caller left before that. True: it is worth knowing what becomes of it, and
  // Ended is to tell that. False: Ended tells that it was ended.
  bool TryVerify(TimePoint now);
  // `used`: tokens, where the upstream told.
  Learned Ended(AttemptResult result, std::optional<uint64_t> used, TimePoint now, Random& random);
  // It was not made after all.
  void Withdraw(TimePoint now, Random& random);
  bool valid() const { return upstream_ != nullptr; }
  std::optional<TimePoint> answered() const { return answered_; }

 private:
  bool TakeRateLimits(const RouteConfig& route, TimePoint now, std::string* limit);
  void GiveRateLimitsBack(TimePoint now);
  std::optional<Duration> Eject(TimePoint now) const;

  const UpstreamConfig* upstream_ = nullptr;  // null: nothing is held
  const EndpointConfig* endpoint_ = nullptr;
  CircuitBreaker::Permit endpoint_permit_;
  CircuitBreaker::Permit upstream_permit_;
  uint64_t tokens_ = 0;
  bool connected_ = false;
  std::vector<RateLimitState*> charged_;
  // For the destructor, which knows no time: a permit given back at the time
  // at which it was taken.
  TimePoint taken_at_;
  std::optional<TimePoint> answered_;
  Learned taken_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_TICKET_H_

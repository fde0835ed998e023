// The wait between two attempts, by strategy. Pure: randomness is an argument.
#ifndef SLUICE_SERVER_RESILIENCE_BACKOFF_H_
#define SLUICE_SERVER_RESILIENCE_BACKOFF_H_

#include <variant>
#include <vector>

#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

// As sluice.v1.Jitter.
enum class Jitter { kNone, kFull, kEqual, kDecorrelated, kProportional };

struct FixedBackoff {
  Duration delay;
};

// min(max, base · multiplier^n), then jitter (AWS architecture blog,
// "Exponential Backoff And Jitter"; PROPORTIONAL as gRPC's connection backoff).
struct ExponentialBackoff {
  Duration base = absl::Milliseconds(500);
  Duration max = absl::Seconds(5);
  double multiplier = 2;  // >= 1
  Jitter jitter = Jitter::kFull;
  double jitter_factor = 0.2;  // j of kProportional, 0..1
};

// Project Reactor's Retry.backoff; never leaves [min, max].
struct ReactorBackoff {
  Duration min = absl::Milliseconds(100);
  Duration max = absl::Seconds(5);
  double jitter_factor = 0.5;  // 0..1
};

// The waits themselves; the last one repeats. Not empty.
struct CustomBackoff {
  std::vector<Duration> delays;
};

using BackoffPolicy = std::variant<ExponentialBackoff, FixedBackoff, ReactorBackoff, CustomBackoff>;

// The backoff of one call. The policy must outlive it.
class Backoff {
 public:
  explicit Backoff(const BackoffPolicy& policy) : policy_(&policy) {}

  // The wait before the next retry; counts the retry.
  Duration Next(Random& random);
  // Starts anew after progress.
  void Reset();

 private:
  const BackoffPolicy* policy_;
  int retries_ = 0;
  Duration previous_;  // what kDecorrelated grows from
};

// The wait after so many in a row (from 0), as a call's own would be drawn.
Duration BackoffAfter(const BackoffPolicy& policy, int retries, Random& random);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_BACKOFF_H_

#include "server/resilience/backoff.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

// Uniform in [low, high); `low` where the range is empty.
Duration Between(Duration low, Duration high, Random& random) {
  if (high <= low) return low;
  return low + (high - low) * random.Uniform();
}

// min(cap, base · multiplier^n); a power beyond double's range is the cap.
Duration Grow(Duration base, double multiplier, int n, Duration cap) {
  return std::min(cap, base * std::pow(multiplier, n));
}

// What a strategy may look at beside its policy.
struct Step {
  int n;  // 0 for the first retry
  Duration previous;  // what kDecorrelated gave before; zero at first
  Random& random;
};

Duration Wait(const FixedBackoff& policy, const Step&) { return policy.delay; }

Duration Wait(const ExponentialBackoff& policy, const Step& step) {
  const Duration wait = Grow(policy.base, policy.multiplier, step.n, policy.max);
  switch (policy.jitter) {
    case Jitter::kNone:
      return wait;
    case Jitter::kFull:
      return Between(absl::ZeroDuration(), wait, step.random);
    case Jitter::kEqual:
      return Between(wait / 2, wait, step.random);
    case Jitter::kDecorrelated: {
      const Duration previous = std::max(step.previous, policy.base);
      return std::min(policy.max, Between(policy.base, previous * 3, step.random));
    }
    case Jitter::kProportional:
      return Between(wait * (1 - policy.jitter_factor), wait * (1 + policy.jitter_factor), step.random);
  }
  return wait;
}

Duration Wait(const ReactorBackoff& policy, const Step& step) {
  const Duration wait = Grow(policy.min, 2, step.n, policy.max);
  const Duration spread = wait * policy.jitter_factor;
  return Between(wait + std::max(policy.min - wait, -spread), wait + std::min(policy.max - wait, spread),
                 step.random);
}

Duration Wait(const CustomBackoff& policy, const Step& step) {
  const size_t last = policy.delays.size() - 1;
  return policy.delays[std::min(static_cast<size_t>(step.n), last)];
}

}  // namespace

Duration Backoff::Next(Random& random) {
  const Step step{retries_++, previous_, random};
  previous_ = std::visit([&](const auto& policy) { return Wait(policy, step); }, *policy_);
  return previous_;
}

void Backoff::Reset() {
  retries_ = 0;
  previous_ = absl::ZeroDuration();
}

Duration BackoffAfter(const BackoffPolicy& policy, int retries, Random& random) {
  // By then every strategy has reached its longest wait.
  static constexpr int kMostSteps = 64;
  Backoff backoff(policy);
  for (int i = 0; i < std::min(retries, kMostSteps); ++i) backoff.Next(random);
  return backoff.Next(random);
}

}  // namespace sluice

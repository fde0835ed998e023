#include "server/resilience/client_throttle.h"

#include <algorithm>

namespace sluice {

ClientThrottle::Counts ClientThrottle::InWindow(TimePoint now) const {
  Counts sum;
  buckets_.ForEach(now, [&sum](const Counts& bucket) {
    sum.requests += bucket.requests;
    sum.accepts += bucket.accepts;
  });
  return sum;
}

double ClientThrottle::RejectProbability(TimePoint now) const {
  const Counts counts = InWindow(now);
  const double requests = static_cast<double>(counts.requests);
  return std::max(0.0, (requests - config_.k * static_cast<double>(counts.accepts)) / (requests + 1));
}

void ClientThrottle::TakeAcceptBack(TimePoint then) {
  Counts* bucket = buckets_.Find(then);
  if (bucket != nullptr && bucket->accepts > 0) --bucket->accepts;
}

void ClientThrottle::Configure(const ClientThrottleConfig& config) {
  if (config.window != config_.window) buckets_ = SlidingBuckets<Counts, kBuckets>(config.window);
  config_ = config;
}

}  // namespace sluice

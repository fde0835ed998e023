// Real breakers under names, without an engine around them.
#ifndef SLUICE_TESTS_COMMAND_FAKE_REGISTRY_H_
#define SLUICE_TESTS_COMMAND_FAKE_REGISTRY_H_

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "server/command/breaker_registry.h"

namespace sluice {

class FakeRegistry : public BreakerRegistry {
 public:
  void Add(const std::string& upstream, const std::string& endpoint, const CircuitBreakerConfig& config = {},
           TimePoint now = absl::UnixEpoch()) {
    breakers_.emplace(std::pair(upstream, endpoint), CircuitBreaker(config, now));
  }

  CircuitBreaker& At(const std::string& upstream, const std::string& endpoint) {
    return breakers_.at({upstream, endpoint});
  }

  std::vector<BreakerView> List(TimePoint now) const override {
    std::lock_guard lock(mutex_);
    std::vector<BreakerView> all;
    for (const auto& [name, breaker] : breakers_) {
      all.push_back({.name = {name.first, name.second},
                     .figures = breaker.Figures(now),
                     .config = breaker.config(),
                     .in_flight = name.second.empty() ? 0 : 7,
                     .holds = holds});
    }
    return all;
  }

  bool Trip(const BreakerName& name, TimePoint now, Duration lasting, const std::string& reason) override {
    std::lock_guard lock(mutex_);
    return At(name.upstream, name.endpoint).Trip(now, lasting, reason);
  }

  std::optional<EndpointHold> Reset(const BreakerName& name, TimePoint now) override {
    std::lock_guard lock(mutex_);
    At(name.upstream, name.endpoint).Reset(now);
    return name.endpoint.empty() ? std::nullopt : rest;
  }

  void WakeWaiters(const std::string& upstream) override {
    std::lock_guard lock(mutex_);
    woken.push_back(upstream);
  }

  // Of every endpoint.
  std::vector<EndpointHold> holds;
  // Of every endpoint, what a reset ends.
  std::optional<EndpointHold> rest;
  std::vector<std::string> woken;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, CircuitBreaker> breakers_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_COMMAND_FAKE_REGISTRY_H_

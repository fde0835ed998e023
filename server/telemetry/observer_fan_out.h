// One observer that tells several: metrics and log hear of the same calls.
#ifndef SLUICE_SERVER_TELEMETRY_OBSERVER_FAN_OUT_H_
#define SLUICE_SERVER_TELEMETRY_OBSERVER_FAN_OUT_H_

#include <utility>
#include <vector>

#include "server/engine/call_observer.h"

namespace sluice {

// In the order given; the observers outlive it.
class ObserverFanOut : public CallObserver {
 public:
  explicit ObserverFanOut(std::vector<CallObserver*> observers) : observers_(std::move(observers)) {}

  void CallStarted(const CallInfo& info) override { Tell(&CallObserver::CallStarted, info); }
  void AttemptStarted(const CallInfo& info, const AttemptRecord& attempt) override {
    Tell(&CallObserver::AttemptStarted, info, attempt);
  }
  void AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) override {
    Tell(&CallObserver::AttemptEnded, info, attempt);
  }
  void VerifyingStarted(const CallInfo& info, const AttemptRecord& attempt) override {
    Tell(&CallObserver::VerifyingStarted, info, attempt);
  }
  void VerifyingEnded(const CallInfo& info, const AttemptRecord& attempt) override {
    Tell(&CallObserver::VerifyingEnded, info, attempt);
  }
  void RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) override {
    Tell(&CallObserver::RetryScheduled, info, failed, delay, failover);
  }
  void HedgeStarted(const CallInfo& info, const AttemptRecord& slow) override {
    Tell(&CallObserver::HedgeStarted, info, slow);
  }
  void HedgeWon(const CallInfo& info, const AttemptRecord& winner) override {
    Tell(&CallObserver::HedgeWon, info, winner);
  }
  void RetryRefused(const CallInfo& info, std::string_view upstream, RetryRefusal why) override {
    Tell(&CallObserver::RetryRefused, info, upstream, why);
  }
  void Restarted(const CallInfo& info, const AttemptRecord& cut) override {
    Tell(&CallObserver::Restarted, info, cut);
  }
  void FallbackEntered(const CallInfo& info, std::string_view fallback, FailureKind cause) override {
    Tell(&CallObserver::FallbackEntered, info, fallback, cause);
  }
  void Limited(const CallInfo& info, const LimitRefusal& refusal) override {
    Tell(&CallObserver::Limited, info, refusal);
  }
  void Queued(const CallInfo& info) override { Tell(&CallObserver::Queued, info); }
  void LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) override {
    Tell(&CallObserver::LeftQueue, info, exit, waited);
  }
  void BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                      BreakerState to) override {
    Tell(&CallObserver::BreakerChanged, upstream, endpoint, from, to);
  }
  void EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) override {
    Tell(&CallObserver::EndpointEjected, upstream, endpoint, lasting);
  }
  void FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) override {
    Tell(&CallObserver::FormLearned, upstream, model, refused);
  }
  void HealthChecked(std::string_view upstream, std::string_view endpoint, bool passed) override {
    Tell(&CallObserver::HealthChecked, upstream, endpoint, passed);
  }
  void HealthChanged(std::string_view upstream, std::string_view endpoint, bool healthy,
                     std::string_view reason) override {
    Tell(&CallObserver::HealthChanged, upstream, endpoint, healthy, reason);
  }
  void Paused(const CallInfo& info) override { Tell(&CallObserver::Paused, info); }
  void CallEnded(const CallInfo& info, const CallRecord& record) override {
    Tell(&CallObserver::CallEnded, info, record);
  }

 private:
  template <typename Hook, typename... Args>
  void Tell(Hook hook, const Args&... args) {
    for (CallObserver* observer : observers_) (observer->*hook)(args...);
  }

  std::vector<CallObserver*> observers_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_OBSERVER_FAN_OUT_H_

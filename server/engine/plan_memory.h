// What one call has tried, and where it must not go: the planner's memory. On
// the call's loop.
#ifndef SLUICE_SERVER_ENGINE_PLAN_MEMORY_H_
#define SLUICE_SERVER_ENGINE_PLAN_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/plan.h"
#include "server/resilience/time.h"

namespace sluice {

// What is kept grows with the attempts of the call only.
class PlanMemory {
 public:
  void Tried(const Plan& plan);
  void BlameCredential(const Plan& plan);
  void Excuse(const Plan& plan) { ++At(plan).excused; }
  void ForgetTries() { tries_.clear(); }

  void Bar(const UpstreamConfig& upstream) { barred_upstreams_.push_back(&upstream); }
  void BarCredential(const Plan& plan) { barred_credentials_.emplace_back(&plan.upstream(), plan.credential); }
  void Bar(const Plan& plan) { barred_plans_.push_back(plan); }
  void RequireContextAbove(uint32_t tokens);
  void SetAside(const EndpointConfig& endpoint) { aside_endpoints_.push_back(&endpoint); }
  void SetAside(const UpstreamConfig& upstream) { aside_upstreams_.push_back(&upstream); }
  void TakeBack();

  // The call goes to none of the target's endpoints, whatever they are like.
  bool RulesOut(const TargetConfig& target) const;
  bool RulesOut(const TargetConfig& target, const EndpointConfig& endpoint) const;
  // It goes not everywhere where others may go.
  bool picky() const;

  // How often this call has tried it with this credential; what was blamed on
  // other credentials does not count.
  int TriesOf(const EndpointConfig& endpoint, size_t credential) const;
  // Of these, those that were not answered with a time to come back.
  int RepeatsOf(const EndpointConfig& endpoint, size_t credential) const;
  // Equal for calls that may go to the same places; empty: everywhere.
  std::string Bars() const;

  struct Credential {
    size_t number;
    int tries;
  };
  // The one tried least at this endpoint that does not rest at `when`; of equal
  // ones the first from `start` on. None: all rest or are barred.
  std::optional<Credential> CredentialFor(const UpstreamConfig& upstream, const EndpointConfig& endpoint,
                                          TimePoint when, size_t start) const;
  // When the first one does not rest; InfiniteFuture if all are barred.
  TimePoint CredentialAt(const UpstreamConfig& upstream, const EndpointConfig& endpoint) const;

 private:
  struct Try {
    const EndpointConfig* endpoint;
    size_t credential;
    int times;   // held against the endpoint
    int blamed;  // held against the credential
    int excused;
  };
  Try& At(const Plan& plan);
  bool Barred(const UpstreamConfig& upstream, size_t credential) const;

  std::vector<Try> tries_;
  std::vector<const UpstreamConfig*> barred_upstreams_;
  std::vector<std::pair<const UpstreamConfig*, size_t>> barred_credentials_;
  std::vector<Plan> barred_plans_;
  std::vector<const EndpointConfig*> aside_endpoints_;
  std::vector<const UpstreamConfig*> aside_upstreams_;
  std::optional<uint32_t> context_above_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_PLAN_MEMORY_H_

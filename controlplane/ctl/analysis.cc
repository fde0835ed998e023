#include "controlplane/ctl/analysis.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_set.h"
#include "proto/policy/schema.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "RetryPolicy" and "default".
using Reference = std::pair<std::string, std::string>;

void CollectReferences(const Message& message, std::set<Reference>& references) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string& kind = RulesOf(*field).refers_to();
    const int size = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      if (!kind.empty()) {
        references.emplace(kind, field->is_repeated() ? reflection->GetRepeatedString(message, field, i)
                                                      : reflection->GetString(message, field));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
        CollectReferences(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                               : reflection->GetMessage(message, field),
                          references);
      }
    }
  }
}

// What is taken by its name without being referred to.
bool UsedByItself(const v1::Resource& resource) {
  if (resource.has_route()) return true;
  const bool by_default = resource.has_retry_policy() || resource.has_circuit_breaker() || resource.has_fallback();
  return by_default && resource.meta().name() == kDefaultPolicyName;
}

bool TakesCalls(const v1::Endpoint& endpoint) {
  const bool active = endpoint.state() == v1::ENDPOINT_STATE_UNSPECIFIED || endpoint.state() == v1::ENDPOINT_STATE_ACTIVE;
  return active && (!endpoint.has_weight() || endpoint.weight() > 0);
}

// The longest waits that `retries` retries take, without chance.
absl::Duration LongestWaits(const v1::Backoff& backoff, int retries) {
  absl::Duration sum;
  for (int n = 0; n < retries; ++n) {
    switch (backoff.kind_case()) {
      case v1::Backoff::kFixed:
        sum += ToAbsl(backoff.fixed().delay());
        break;
      case v1::Backoff::kReactor:
        sum += std::min(ToAbsl(backoff.reactor().max()), ToAbsl(backoff.reactor().min()) * std::pow(2, n));
        break;
      case v1::Backoff::kCustom: {
        const auto& delays = backoff.custom().delays();
        if (!delays.empty()) sum += ToAbsl(delays.Get(std::min(n, delays.size() - 1)));
        break;
      }
      default:
        sum += std::min(ToAbsl(backoff.exponential().max()),
                        ToAbsl(backoff.exponential().base()) * std::pow(backoff.exponential().multiplier(), n));
    }
  }
  return sum;
}

class Analysis {
 public:
  explicit Analysis(absl::Span<const v1::Resource* const> all) : all_(all), set_(all) {}

  std::vector<v1::Violation> Run() {
    for (const v1::Resource* resource : all_) {
      if (!KindOf(*resource).empty()) CollectReferences(SpecOf(*resource), references_);
    }
    for (const v1::Resource* resource : all_) {
      resource_ = resource;
      CheckUse();
      if (resource->has_route()) CheckRoute(resource->route());
    }
    return std::move(findings_);
  }

 private:
  void Add(std::string path, const char* code, std::string message) {
    v1::Violation& finding = findings_.emplace_back();
    finding.mutable_resource()->set_kind(std::string(KindOf(*resource_)));
    finding.mutable_resource()->set_name(resource_->meta().name());
    finding.set_path(std::move(path));
    finding.set_code(code);
    finding.set_message(std::move(message));
  }

  void CheckUse() {
    if (UsedByItself(*resource_)) return;
    if (references_.count({std::string(KindOf(*resource_)), resource_->meta().name()}) != 0) return;
    Add("", "UNUSED", "nothing refers to it; delete it, or name it where it is to be used");
  }

  // "" or why a target takes no calls.
  std::string WhyDead(const v1::Target& target) const {
    if (target.has_weight() && target.weight() == 0) return "its weight is 0";
    const v1::Resource* upstream = set_.Find(v1::Resource::kUpstream, target.upstream());
    if (upstream == nullptr) return "";  // the validator's
    const auto& endpoints = set_.EndpointsOf(upstream->upstream());
    if (endpoints.empty() || std::any_of(endpoints.begin(), endpoints.end(), TakesCalls)) return "";
    return absl::StrCat("no endpoint of ", ResourceId(*upstream), " is active");
  }

  void CheckRoute(const v1::Route& route) {
    std::vector<std::string> dead;
    for (const v1::Target& target : route.targets()) dead.push_back(WhyDead(target));
    const bool all = !dead.empty() && std::none_of(dead.begin(), dead.end(), [](const auto& why) { return why.empty(); });
    if (all) Add("targets", "DEAD_ROUTE", absl::StrCat("no target takes calls: ", dead.front()));
    for (size_t i = 0; i < dead.size() && !all; ++i) {
      if (!dead[i].empty()) Add(IndexPath("targets", i), "DEAD_TARGET", absl::StrCat("takes no calls: ", dead[i]));
    }
    CheckTimes(route);
  }

  void CheckTimes(const v1::Route& route) {
    v1::Timeouts timeouts = route.timeouts();
    FillDefaults(timeouts);
    v1::RetryPolicy retry = set_.RetryOf(route).OrDefaults();
    if (retry.backoff().kind_case() == v1::Backoff::KIND_NOT_SET) retry.mutable_backoff()->mutable_exponential();
    FillDefaults(retry);
    const absl::Duration overall = ToAbsl(timeouts.overall());
    const absl::Duration first = ToAbsl(timeouts.first_content());
    const auto text = [](absl::Duration time) { return FormatDurationText(time); };
    for (const auto& [name, bound] : {std::pair<const char*, absl::Duration>{"connect", ToAbsl(timeouts.connect())},
                                      {"first_content", first}}) {
      if (bound < overall) continue;
      Add(absl::StrCat("timeouts.", name), "NEVER_MET",
          absl::StrCat(text(bound), " is never over: timeouts.overall ends the call after ", text(overall),
                       "; a slow endpoint leaves no time for another attempt"));
    }
    const int retries = static_cast<int>(retry.max_attempts()) - 1;
    const absl::Duration waits = LongestWaits(retry.backoff(), retries);
    if (retries > 0 && waits >= overall) {
      Add("retry", "NEVER_MET", absl::StrCat("the waits before ", retry.max_attempts(), " attempts can take ", text(waits),
                                             ", and timeouts.overall ends the call after ", text(overall)));
    }
    CheckBreakers(route, first);
  }

  // A call is cut before it would count as slow.
  void CheckBreakers(const v1::Route& route, absl::Duration first) {
    std::set<std::string> told;
    for (const v1::Target& target : route.targets()) {
      const v1::Resource* upstream = set_.Find(v1::Resource::kUpstream, target.upstream());
      if (upstream == nullptr || !told.insert(target.upstream()).second) continue;
      const v1::CircuitBreaker* breaker = set_.BreakerOf(upstream->upstream()).policy;
      if (breaker == nullptr || !breaker->has_slow_after() || ToAbsl(breaker->slow_after()) < first) continue;
      Add("timeouts.first_content", "NEVER_MET",
          absl::StrCat("ends attempts after ", FormatDurationText(first), ", so that none at ", ResourceId(*upstream),
                       " ever counts as slow: its circuit breaker says slow_after ",
                       FormatDurationText(ToAbsl(breaker->slow_after()))));
    }
  }

  const absl::Span<const v1::Resource* const> all_;
  const PolicySet set_;
  std::set<Reference> references_;
  const v1::Resource* resource_ = nullptr;
  std::vector<v1::Violation> findings_;
};

}  // namespace

std::vector<v1::Violation> AnalyzePolicies(absl::Span<const v1::Resource* const> all) { return Analysis(all).Run(); }

}  // namespace sluice::ctl

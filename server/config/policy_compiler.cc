#include "server/config/policy_compiler.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "proto/policy/defaults.h"
#include "proto/policy/policy_set.h"
#include "proto/policy/validator.h"
#include "server/config/retry_compiler.h"
#include "server/config/route_compiler.h"
#include "server/config/upstream_compiler.h"

namespace sluice {
namespace {

// One revision being compiled. The set is valid, so references resolve and
// fallbacks end.
class Compilation {
 public:
  explicit Compilation(const UpstreamContext& context) : policies_(context.policies), context_(context) {}

  void Run() {
    for (const auto& [name, upstream] : policies_.All(v1::Resource::kUpstream)) {
      upstreams_[name] = CompileUpstream(*upstream, context_);
    }
    for (const std::string& name : FallbacksFirst()) routes_[name] = CompileRoute(name);
  }

  std::shared_ptr<const RouteTable> Table(std::string epoch, uint64_t revision) const {
    std::vector<std::shared_ptr<const RouteConfig>> routes;
    for (const auto& [name, route] : routes_) routes.push_back(route);
    std::vector<std::shared_ptr<const UpstreamConfig>> upstreams;
    for (const auto& [name, upstream] : upstreams_) upstreams.push_back(upstream);
    return std::make_shared<const RouteTable>(std::move(epoch), revision, std::move(routes), std::move(upstreams));
  }

 private:
  const v1::Route& RouteOf(const std::string& name) const {
    return policies_.Find(v1::Resource::kRoute, name)->route();
  }

  // Every route after the one that its fallback is.
  std::vector<std::string> FallbacksFirst() const {
    std::vector<std::string> order;
    std::set<std::string> done;
    for (const auto& [name, resource] : policies_.All(v1::Resource::kRoute)) {
      std::vector<std::string> way;
      for (std::string at = name; !at.empty() && done.insert(at).second;) {
        way.push_back(at);
        const Chosen<v1::Fallback> fallback = policies_.FallbackOf(at, RouteOf(at));
        at = fallback.OrDefaults().route();
      }
      order.insert(order.end(), way.rbegin(), way.rend());
    }
    return order;
  }

  std::shared_ptr<const RouteConfig> CompileRoute(const std::string& name) {
    const v1::Route& spec = RouteOf(name);
    std::shared_ptr<RouteConfig> out = CompileRouteFields(name, spec);
    for (const v1::Target& target : spec.targets()) out->targets.push_back(TargetOf(target));
    out->retry = CompileRetryPolicy(policies_.RetryOf(spec).OrDefaults());
    for (const std::string& limit : spec.rate_limits()) out->rate_limits.push_back(LimitOf(limit));
    out->state = context_.states.routes.Get(name);
    out->fallback = FallbackOf(*out, spec);
    return out;
  }

  TargetConfig TargetOf(v1::Target target) const {
    FillDefaults(target);
    return {upstreams_.at(target.upstream()), target.model(), target.weight(), target.priority()};
  }

  RateLimitUse LimitOf(const std::string& name) {
    v1::RateLimit spec = policies_.Find(v1::Resource::kRateLimit, name)->rate_limit();
    RateLimitUse use;
    use.name = name;
    use.scope = ScopeOf(spec);
    use.config = CompileRateLimit(spec);
    FillDefaults(spec);
    // Routes and upstreams are as many as there are; only tenants need a bound.
    const size_t named = policies_.All(v1::Resource::kRoute).size() + upstreams_.size();
    use.max_keys = use.scope == RateLimitUse::Scope::kTenant ? spec.max_tenants() : std::max<size_t>(1, named);
    use.state = context_.states.rate_limits.Get(name, use.config, use.max_keys);
    return use;
  }

  std::shared_ptr<const FallbackConfig> FallbackOf(const RouteConfig& route, const v1::Route& spec) {
    const Chosen<v1::Fallback> chosen = policies_.FallbackOf(route.name, spec);
    if (chosen.policy == nullptr) return nullptr;
    auto out = std::make_shared<FallbackConfig>();
    out->name = chosen.name;
    out->causes = CompileKinds(chosen.policy->causes());
    switch (chosen.policy->kind_case()) {
      case v1::Fallback::kRoute: out->route = routes_.at(chosen.policy->route()); break;
      case v1::Fallback::kTarget: {
        std::shared_ptr<RouteConfig> made = MakeFallbackRoute(route, TargetOf(chosen.policy->target()));
        made->state = context_.states.routes.Get(FallbackStateKey(route.name));
        out->route = std::move(made);
        break;
      }
      default: out->static_answer = chosen.policy->static_answer().text();
    }
    return out;
  }

  const PolicySet& policies_;
  const UpstreamContext& context_;
  std::map<std::string, std::shared_ptr<const UpstreamConfig>> upstreams_;
  std::map<std::string, std::shared_ptr<const RouteConfig>> routes_;
};

}  // namespace

CompiledPolicies PolicyCompiler::Compile(std::string epoch, uint64_t revision,
                                         absl::Span<const v1::Resource* const> resources, TimePoint now,
                                         const RouteTable* kept) {
  CompiledPolicies out;
  out.violations = ValidatePolicies(resources);
  for (const v1::Resource* resource : resources) {
    for (v1::Violation& violation : FindUnknown(*resource)) out.violations.push_back(std::move(violation));
  }
  const bool consistent = out.violations.empty();
  if (consistent) {
    const PolicySet policies(resources);
    LocalFiles files(resolver_, kept);
    const UpstreamContext context{policies, files, allowed_hosts_, zone_, now, states_, out.violations};
    Compilation compilation(context);
    compilation.Run();
    if (out.violations.empty()) out.table = compilation.Table(std::move(epoch), revision);
  }
  states_.Purge();
  return out;
}

}  // namespace sluice

#include "server/config/policy_compiler.h"

#include <map>
#include <utility>

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/validator.h"
#include "server/config/retry_compiler.h"
#include "server/config/upstream_compiler.h"

namespace sluice {
namespace {

// The policy of routes that name none.
constexpr char kDefaultRetryPolicy[] = "default";

// One revision being compiled. The set is valid, so references resolve.
class Compilation {
 public:
  Compilation(absl::Span<const v1::Resource* const> resources, const UpstreamContext& context) : context_(context) {
    for (const v1::Resource* resource : resources) by_kind_[resource->spec_case()][resource->meta().name()] = resource;
  }

  std::vector<std::shared_ptr<const RouteConfig>> Run() {
    for (const auto& [name, upstream] : by_kind_[v1::Resource::kUpstream]) {
      const v1::Resource* list = Find(v1::Resource::kEndpointList, upstream->upstream().endpoint_list());
      upstreams_[name] = CompileUpstream(*upstream, list, context_);
    }
    std::vector<std::shared_ptr<const RouteConfig>> routes;
    for (const auto& [name, route] : by_kind_[v1::Resource::kRoute]) {
      routes.push_back(CompileRoute(name, route->route()));
    }
    return routes;
  }

 private:
  const v1::Resource* Find(v1::Resource::SpecCase kind, const std::string& name) {
    auto& resources = by_kind_[kind];
    auto it = resources.find(name);
    return it == resources.end() ? nullptr : it->second;
  }

  std::shared_ptr<const RouteConfig> CompileRoute(const std::string& name, v1::Route spec) {
    // Defaults fill only the messages that are there.
    spec.mutable_timeouts();
    spec.mutable_stream();
    FillDefaults(spec);
    auto out = std::make_shared<RouteConfig>();
    out->name = name;
    out->model = spec.match().model();
    out->metadata = {spec.match().metadata().begin(), spec.match().metadata().end()};
    out->tenant = spec.match().tenant();
    for (const v1::Target& target : spec.targets()) {
      out->targets.push_back({upstreams_[target.upstream()], target.model(), target.weight(), target.priority()});
    }
    out->timeouts = {ToAbsl(spec.timeouts().connect()), ToAbsl(spec.timeouts().first_content()),
                     ToAbsl(spec.timeouts().idle()), ToAbsl(spec.timeouts().unary_total()),
                     ToAbsl(spec.timeouts().overall())};
    out->retry = CompileRetryPolicy(RetryOf(spec));
    out->stream = {spec.stream().max_pending_bytes(), spec.stream().max_event_bytes(),
                   spec.stream().max_response_bytes()};
    return out;
  }

  v1::RetryPolicy RetryOf(const v1::Route& route) {
    if (route.retry().kind_case() == v1::RetryPolicyChoice::kInline) return route.retry().inline_();
    const std::string name = route.retry().name().empty() ? kDefaultRetryPolicy : route.retry().name();
    const v1::Resource* policy = Find(v1::Resource::kRetryPolicy, name);
    return policy == nullptr ? v1::RetryPolicy() : policy->retry_policy();
  }

  const UpstreamContext& context_;
  std::map<v1::Resource::SpecCase, std::map<std::string, const v1::Resource*>> by_kind_;
  std::map<std::string, std::shared_ptr<const UpstreamConfig>> upstreams_;
};

}  // namespace

CompiledPolicies PolicyCompiler::Compile(std::string epoch, uint64_t revision,
                                         absl::Span<const v1::Resource* const> resources) {
  CompiledPolicies out;
  out.violations = ValidatePolicies(resources);
  for (const v1::Resource* resource : resources) {
    for (v1::Violation& violation : FindUnknown(*resource)) out.violations.push_back(std::move(violation));
  }
  const bool consistent = out.violations.empty();
  if (consistent) {
    const UpstreamContext context{resolver_, allowed_hosts_, states_, out.violations};
    auto routes = Compilation(resources, context).Run();
    if (out.violations.empty()) {
      out.table = std::make_shared<const RouteTable>(std::move(epoch), revision, std::move(routes));
    }
  }
  states_.Purge();
  return out;
}

}  // namespace sluice

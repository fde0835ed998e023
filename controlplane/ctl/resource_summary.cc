#include "controlplane/ctl/resource_summary.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sluice::ctl {
namespace {

// More would only break the line.
constexpr int kMostTargets = 3;

std::string Count(int count, const char* what) { return absl::StrCat(count, " ", what, count == 1 ? "" : "s"); }

std::string RouteSummary(const v1::Route& route) {
  std::vector<std::string> targets;
  for (const v1::Target& target : route.targets()) {
    if (targets.size() == kMostTargets) {
      targets.push_back("…");
      break;
    }
    targets.push_back(target.model().empty() ? target.upstream() : absl::StrCat(target.upstream(), "/", target.model()));
  }
  return absl::StrCat(route.match().model(), " → ", absl::StrJoin(targets, ", "));
}

std::string UpstreamSummary(const v1::Upstream& upstream) {
  const std::string format = absl::AsciiStrToLower(v1::WireFormat_Name(upstream.format()).substr(sizeof("WIRE_FORMAT_") - 1));
  if (!upstream.endpoint_list().empty()) return absl::StrCat(format, ", endpointlist/", upstream.endpoint_list());
  return absl::StrCat(format, ", ", Count(upstream.endpoints_size(), "endpoint"));
}

}  // namespace

std::string SummaryOf(const v1::Resource& resource) {
  switch (resource.spec_case()) {
    case v1::Resource::kRoute:
      return RouteSummary(resource.route());
    case v1::Resource::kUpstream:
      return UpstreamSummary(resource.upstream());
    case v1::Resource::kEndpointList:
      return Count(resource.endpoint_list().endpoints_size(), "endpoint");
    case v1::Resource::kRetryPolicy:
      if (!resource.retry_policy().has_max_attempts()) return "";
      return Count(static_cast<int>(resource.retry_policy().max_attempts()), "attempt");
    default:
      return "";
  }
}

}  // namespace sluice::ctl

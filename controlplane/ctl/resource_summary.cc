#include "controlplane/ctl/resource_summary.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/message_node.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_tree.h"

namespace sluice::ctl {
namespace {

// More would only break the line.
constexpr int kMostTargets = 3;

std::string Count(int count, const char* what) { return absl::StrCat(count, " ", what, count == 1 ? "" : "s"); }

std::string TargetsText(const v1::Route& route) {
  std::vector<std::string> targets;
  for (const v1::Target& target : route.targets()) {
    if (targets.size() == kMostTargets) {
      targets.push_back("…");
      break;
    }
    targets.push_back(target.model().empty() ? target.upstream()
                                             : absl::StrCat(target.upstream(), "/", target.model()));
  }
  return absl::StrJoin(targets, ", ");
}

std::string EndpointsText(const v1::Upstream& upstream) {
  if (!upstream.endpoint_list().empty()) return absl::StrCat("endpointlist/", upstream.endpoint_list());
  return Count(upstream.endpoints_size(), "endpoint");
}

std::string UpstreamSummary(const v1::Upstream& upstream) {
  return absl::StrCat(absl::AsciiStrToLower(EnumWord(upstream.format())), ", ", EndpointsText(upstream));
}

// A field as its policy has it, on one line.
std::string FieldText(const v1::Resource& resource, const char* field) {
  const PolicyNode policy = ResourceToNode(resource, {});
  const PolicyNode* found = policy.Find(field);
  return found == nullptr ? "–" : FlowText(*found);
}

struct Column {
  const char* kind;
  const char* title;
  std::string (*text)(const v1::Resource&);
};

// Kinds that are not here have what sums them up.
const Column kColumns[] = {
    {"Route", "MATCH", [](const v1::Resource& r) { return FieldText(r, "match"); }},
    {"Route", "TARGETS", [](const v1::Resource& r) { return TargetsText(r.route()); }},
    {"Route", "RETRY", [](const v1::Resource& r) { return FieldText(r, "retry"); }},
    {"Route", "FALLBACK", [](const v1::Resource& r) { return FieldText(r, "fallback"); }},
    {"Upstream", "FORMAT", [](const v1::Resource& r) { return FieldText(r, "format"); }},
    {"Upstream", "ENDPOINTS", [](const v1::Resource& r) { return EndpointsText(r.upstream()); }},
    {"RetryPolicy", "ATTEMPTS", [](const v1::Resource& r) { return FieldText(r, "max_attempts"); }},
    {"RetryPolicy", "BACKOFF", [](const v1::Resource& r) { return FieldText(r, "backoff"); }},
};

}  // namespace

std::vector<std::string> TitlesOf(const std::string& kind) {
  std::vector<std::string> titles;
  for (const Column& column : kColumns) {
    if (kind == column.kind) titles.push_back(column.title);
  }
  return titles.empty() ? std::vector<std::string>{"WHAT"} : titles;
}

std::vector<std::string> CellsOf(const v1::Resource& resource) {
  std::vector<std::string> cells;
  for (const Column& column : kColumns) {
    if (KindOf(resource) == column.kind) cells.push_back(column.text(resource));
  }
  return cells.empty() ? std::vector<std::string>{SummaryOf(resource)} : cells;
}

std::string SummaryOf(const v1::Resource& resource) {
  switch (resource.spec_case()) {
    case v1::Resource::kRoute:
      return absl::StrCat(resource.route().match().model(), " → ", TargetsText(resource.route()));
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

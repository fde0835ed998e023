#include "controlplane/admin/node_check.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/admin/command_check.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

using Findings = std::vector<v1::NodeFindings>;

v1::NodeFindings NotAsked(const std::string& node_id, absl::StatusCode code, std::string why) {
  v1::NodeFindings finding;
  finding.set_node_id(node_id);
  finding.set_code(static_cast<int>(code));
  finding.set_message(std::move(why));
  return finding;
}

// Why what it says would not count; empty: it counts.
std::string WhyNot(const v1::NodeStatus& node, uint64_t revision) {
  switch (node.state()) {
    case v1::NODE_STATE_ACKED:
      return "";
    case v1::NODE_STATE_LOST:
      return "is not connected";
    case v1::NODE_STATE_EPOCH_MISMATCH:
      return "runs policies of another epoch";
    default:
      return absl::StrCat("runs revision ", node.acked_revision(), ", not ", revision,
                          node.last_error().empty() ? "" : absl::StrCat(": ", node.last_error()));
  }
}

Findings AllNotAsked(const std::vector<v1::NodeStatus>& nodes, absl::StatusCode code, const std::string& why) {
  Findings findings;
  for (const v1::NodeStatus& node : nodes) {
    if (node.state() != v1::NODE_STATE_GONE) findings.push_back(NotAsked(node.node_id(), code, why));
  }
  return findings;
}

// Of one that was asked; nothing is told of one that would run it.
void AddAnswer(const v1::NodeAnswer& answer, Findings& findings) {
  if (answer.answer().code() == static_cast<int>(absl::StatusCode::kUnimplemented)) {
    findings.push_back(NotAsked(answer.node_id(), absl::StatusCode::kUnimplemented,
                                "cannot be asked: its version does not know the question"));
  } else if (answer.answer().code() != 0) {
    findings.push_back(NotAsked(answer.node_id(), static_cast<absl::StatusCode>(answer.answer().code()),
                                answer.answer().message()));
  } else if (!answer.answer().check().violations().empty()) {
    v1::NodeFindings& finding = findings.emplace_back();
    finding.set_node_id(answer.node_id());
    *finding.mutable_violations() = answer.answer().check().violations();
  }
}

// In order of node id, as the nodes are.
Findings FindingsOf(const std::vector<v1::NodeStatus>& nodes, uint64_t revision, const v1::CommandResponse& response) {
  std::map<std::string, const v1::NodeAnswer*> answers;
  for (const v1::NodeAnswer& answer : response.answers()) answers[answer.node_id()] = &answer;
  Findings findings;
  for (const v1::NodeStatus& node : nodes) {
    if (node.state() == v1::NODE_STATE_GONE) continue;
    const std::string why = WhyNot(node, revision);
    const auto answer = answers.find(node.node_id());
    if (!why.empty() || answer == answers.end()) {
      findings.push_back(NotAsked(node.node_id(), absl::StatusCode::kFailedPrecondition,
                                  absl::StrCat("cannot tell: it ", why.empty() ? "is not connected" : why)));
    } else {
      AddAnswer(*answer->second, findings);
    }
  }
  return findings;
}

// Where nothing would change, the nodes have said already what they make of it.
Findings StandingFindings(const std::vector<v1::NodeStatus>& nodes, uint64_t revision) {
  Findings findings;
  for (const v1::NodeStatus& node : nodes) {
    const std::string why = node.state() == v1::NODE_STATE_GONE ? "" : WhyNot(node, revision);
    if (why.empty()) continue;
    if (node.state() != v1::NODE_STATE_NACKED || node.violations().empty()) {
      findings.push_back(
          NotAsked(node.node_id(), absl::StatusCode::kFailedPrecondition, absl::StrCat("cannot tell: it ", why)));
      continue;
    }
    v1::NodeFindings& finding = findings.emplace_back();
    finding.set_node_id(node.node_id());
    *finding.mutable_violations() = node.violations();
  }
  return findings;
}

}  // namespace

v1::PolicyCheckQuery CheckQueryOf(const PolicyChange& change) {
  v1::PolicyCheckQuery query;
  for (const v1::Resource& put : change.puts) {
    v1::ResourceUpsert& upsert = *query.add_upserts();
    upsert.set_kind(std::string(KindOf(put)));
    upsert.set_name(put.meta().name());
    upsert.set_spec(SpecOf(put).SerializeAsString());
  }
  for (const ResourceKey& key : change.deletes) {
    v1::ResourceRef& removal = *query.add_removals();
    removal.set_kind(key.kind);
    removal.set_name(key.name);
  }
  return query;
}

void CheckOnNodes(Fleet& fleet, uint64_t revision, v1::PolicyCheckQuery query, std::function<void(Findings)> done) {
  std::vector<v1::NodeStatus> nodes = fleet.ListNodes();
  if (query.upserts().empty() && query.removals().empty()) return done(StandingFindings(nodes, revision));
  const size_t bytes = query.ByteSizeLong();
  if (bytes > kMaxCheckBytes) {
    return done(AllNotAsked(nodes, absl::StatusCode::kResourceExhausted,
                            absl::StrCat("was not asked: the change has ", bytes, " bytes; at most ", kMaxCheckBytes,
                                         " are sent")));
  }
  v1::CommandRequest request;
  *request.mutable_query()->mutable_check() = std::move(query);
  auto on_answers = [nodes, revision, done](const v1::CommandResponse& response) {
    done(FindingsOf(nodes, revision, response));
  };
  const absl::Status asked = fleet.Command(request, kDefaultCommandTimeout, on_answers);
  if (!asked.ok()) {
    done(AllNotAsked(nodes, asked.code(), absl::StrCat("was not asked: ", std::string(asked.message()))));
  }
}

}  // namespace sluice

#include "controlplane/admin/epoch_change.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/admin/rpc_status.h"
#include "proto/policy/kinds.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

constexpr size_t kMaxNamed = 5;
// gRPC clients refuse answers above 4 MiB.
constexpr size_t kMaxLossBytes = 3 << 20;

// "a, b and 3 more".
std::string FirstFew(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kMaxNamed);
  const std::string more = shown < names.size() ? absl::StrCat(" and ", names.size() - shown, " more") : "";
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + shown, ", "), more);
}

std::string Describe(const RunPolicies& group) {
  return absl::StrCat(FirstFew(group.node_ids), " (revision ", group.revision, " of epoch ", Shown(group.epoch), ")");
}

std::vector<std::string> Differing(const RunPolicies& a, const RunPolicies& b) {
  std::vector<std::string> names;
  for (const v1::Change& change : CompareStates({0, {}, a.resources}, {0, {}, b.resources})) {
    names.push_back(ResourceId(change.resource().kind(), change.resource().name()));
  }
  return names;
}

grpc::Status NothingAdopted(const std::string& why) {
  return MakeStatus(grpc::StatusCode::FAILED_PRECONDITION, absl::StrCat("nothing was adopted: ", why));
}

// Data planes know no labels: those of the store count for both sides.
ResourceMap WithMetaOf(const ResourceMap& source, const ResourceMap& resources) {
  ResourceMap with;
  for (const auto& [key, resource] : resources) {
    auto copy = std::make_shared<v1::Resource>(*resource);
    if (auto found = source.find(key); found != source.end()) *copy->mutable_meta() = found->second->meta();
    with[key] = std::move(copy);
  }
  return with;
}

void AddChanges(std::vector<v1::Change> changes, size_t& bytes, v1::EpochLoss& loss) {
  size_t left_out = 0;
  for (v1::Change& change : changes) {
    bytes += change.ByteSizeLong();
    if (bytes > kMaxLossBytes) {
      ++left_out;
    } else {
      *loss.add_changes() = std::move(change);
    }
  }
  if (left_out > 0) loss.set_message(absl::StrCat(left_out, " more changes are left out"));
}

}  // namespace

std::vector<v1::NodeStatus> MismatchingNodes(const std::vector<v1::NodeStatus>& nodes, const std::string& epoch,
                                             const Lineage& lineage, uint64_t revision) {
  std::vector<v1::NodeStatus> mismatching;
  for (const v1::NodeStatus& node : nodes) {
    if (node.epoch().empty()) continue;
    const auto& replaced = lineage.replaces_epochs;
    const bool own = node.epoch() == epoch && node.acked_revision() <= revision;
    const bool is_replaced =
        node.epoch() != epoch && std::find(replaced.begin(), replaced.end(), node.epoch()) != replaced.end();
    // One that is ahead stays a mismatch when the store has counted up to it.
    const bool told = node.state() == v1::NODE_STATE_EPOCH_MISMATCH;
    if (told || (!own && !is_replaced)) mismatching.push_back(node);
  }
  return mismatching;
}

void AddEpoch(const std::string& epoch, const std::string& own, EpochChange& change) {
  if (epoch == own) {
    change.new_epoch = true;
  } else if (std::find(change.replaces.begin(), change.replaces.end(), epoch) == change.replaces.end()) {
    change.replaces.push_back(epoch);
  }
}

grpc::Status CheckAdoptable(const FleetPolicies& found) {
  if (!found.silent.empty()) {
    std::vector<std::string> lines;
    for (const auto& [node_id, why] : found.silent) lines.push_back(absl::StrCat(node_id, " (", why, ")"));
    return NothingAdopted(absl::StrCat("these did not tell what they run: ", FirstFew(lines)));
  }
  for (const RunPolicies& group : found.groups) {
    if (!group.unread.empty()) return NothingAdopted(absl::StrCat(Describe(group), ": ", group.unread));
  }
  std::vector<std::string> lines;
  for (size_t i = 1; i < found.groups.size(); ++i) {
    const std::vector<std::string> names = Differing(found.groups.front(), found.groups[i]);
    if (!names.empty()) lines.push_back(absl::StrCat(Describe(found.groups[i]), " in ", FirstFew(names)));
  }
  if (lines.empty()) return grpc::Status::OK;
  return NothingAdopted(absl::StrCat("data planes run different policies; from ", Describe(found.groups.front()),
                                     " differ ", absl::StrJoin(lines, "; ")));
}

grpc::Status ProposeAdopt(const PolicyState& state, const ResourceMap& adopted, PolicyChange& change) {
  PolicyState source;
  source.resources = WithMetaOf(state.resources, adopted);
  // What a rollback does with an old state is what is wanted of theirs.
  grpc::Status status = ProposeRollback(state, source, change);
  change.rollback_of = 0;
  return status;
}

std::vector<v1::EpochLoss> LossesOf(const FleetPolicies& found, const std::vector<v1::NodeStatus>& away,
                                    const PolicyState& after) {
  std::vector<v1::EpochLoss> losses;
  size_t bytes = 0;
  for (const RunPolicies& group : found.groups) {
    v1::EpochLoss& loss = losses.emplace_back();
    loss.set_epoch(group.epoch);
    loss.set_revision(group.revision);
    loss.mutable_node_ids()->Add(group.node_ids.begin(), group.node_ids.end());
    loss.set_message(group.unread);
    if (!group.unread.empty()) continue;
    const PolicyState before{0, {}, WithMetaOf(after.resources, group.resources)};
    AddChanges(CompareStates(before, after), bytes, loss);
  }
  // By what they said when they connected.
  std::map<std::pair<std::string, uint64_t>, v1::EpochLoss> unread;
  for (const v1::NodeStatus& node : away) {
    v1::EpochLoss& loss = unread[{node.epoch(), node.acked_revision()}];
    loss.set_epoch(node.epoch());
    loss.set_revision(node.acked_revision());
    loss.add_node_ids(node.node_id());
    const auto silent = std::find_if(found.silent.begin(), found.silent.end(),
                                     [&node](const auto& entry) { return entry.node_id == node.node_id(); });
    loss.set_message(silent == found.silent.end() ? "not connected: it cannot be asked what it runs" : silent->why);
  }
  for (auto& [key, loss] : unread) losses.push_back(std::move(loss));
  return losses;
}

}  // namespace sluice

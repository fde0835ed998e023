// What to make of data planes that run the policies of another epoch: which
// they are, whether what they run can be adopted, what they would lose. Pure
// functions, called by AdminService.
#ifndef SLUICE_CONTROLPLANE_ADMIN_EPOCH_CHANGE_H_
#define SLUICE_CONTROLPLANE_ADMIN_EPOCH_CHANGE_H_

#include <string>
#include <vector>

#include "controlplane/admin/fleet_policies.h"
#include "controlplane/admin/policy_change.h"
#include "controlplane/store/store.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// Epochs that are to be replaced, and whether the store's own is among them:
// then a new one must begin.
struct EpochChange {
  std::vector<std::string> replaces;
  bool new_epoch = false;
};

// Those of `nodes`, connected or not, that keep what they run: of an epoch that
// the store neither has nor replaces, or of a revision that it lost.
std::vector<v1::NodeStatus> MismatchingNodes(const std::vector<v1::NodeStatus>& nodes, const std::string& epoch,
                                             const Lineage& lineage, uint64_t revision);

void AddEpoch(const std::string& epoch, const std::string& own, EpochChange& change);

// FAILED_PRECONDITION unless all told what they run, and all run the same:
// names nodes and what differs, the first few.
grpc::Status CheckAdoptable(const FleetPolicies& found);

// The store's content becomes `adopted`. What the store has under the same name
// keeps its labels and annotations.
grpc::Status ProposeAdopt(const PolicyState& state, const ResourceMap& adopted, PolicyChange& change);

// From what the nodes run to `after`; within a bound, for a caller takes no more.
std::vector<v1::EpochLoss> LossesOf(const FleetPolicies& found, const std::vector<v1::NodeStatus>& away,
                                    const PolicyState& after);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_EPOCH_CHANGE_H_

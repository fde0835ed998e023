// Asks data planes which policies they run. Holds no thread while it waits: the
// callbacks of Fleet carry it on. Called by AdminService.
#ifndef SLUICE_CONTROLPLANE_ADMIN_FLEET_POLICIES_H_
#define SLUICE_CONTROLPLANE_ADMIN_FLEET_POLICIES_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/push/fleet.h"
#include "controlplane/store/store.h"

namespace sluice {

// Data planes that run the same.
struct RunPolicies {
  std::string epoch;
  uint64_t revision = 0;
  std::string sha256;
  std::vector<std::string> node_ids;
  // As policies of a store, without labels and annotations: data planes have
  // none.
  ResourceMap resources;
  // Not empty: why `resources` is not known.
  std::string unread;
};

struct FleetPolicies {
  // The one that most run first.
  std::vector<RunPolicies> groups;
  // A node that did not tell, and why.
  struct Silent {
    std::string node_id;
    std::string why;
  };
  std::vector<Silent> silent;
};

// Of what the nodes run each group is read once, from one of its nodes; of many
// groups the first kMaxGroupsRead.
inline constexpr size_t kMaxGroupsRead = 8;

// `done` is called once, from any thread, possibly before it returns.
void ReadFleetPolicies(Fleet& fleet, std::set<std::string> node_ids, std::function<void(FleetPolicies)> done);

// The resources of a bundle as a data plane sends it, or what is wrong with it.
absl::StatusOr<ResourceMap> ResourcesOf(const std::string& bundle);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_FLEET_POLICIES_H_

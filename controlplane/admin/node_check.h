// Asks connected data planes what they would make of a change, and gathers what
// they say. Any thread; the answer comes later, as Fleet::Command's does.
#ifndef SLUICE_CONTROLPLANE_ADMIN_NODE_CHECK_H_
#define SLUICE_CONTROLPLANE_ADMIN_NODE_CHECK_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "controlplane/admin/policy_change.h"
#include "controlplane/push/fleet.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// One message to a data plane has at most 4 MiB; there must be room for the rest.
inline constexpr size_t kMaxCheckBytes = 3 << 20;

v1::PolicyCheckQuery CheckQueryOf(const PolicyChange& change);

// `revision`: the newest, which the query is the difference to; where that is none,
// what the data planes said of the newest stands. A data plane that
// does not run it cannot tell; that, one too old to know the query, and one that
// is not connected are among the findings with code and message. `done` is called
// once, possibly before this returns.
void CheckOnNodes(Fleet& fleet, uint64_t revision, v1::PolicyCheckQuery query,
                  std::function<void(std::vector<v1::NodeFindings>)> done);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_NODE_CHECK_H_

// The data planes as the Admin service sees them.
#ifndef SLUICE_CONTROLPLANE_PUSH_FLEET_H_
#define SLUICE_CONTROLPLANE_PUSH_FLEET_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

class Fleet {
 public:
  // Called once, from any thread, without locks held.
  using AwaitCallback = std::function<void(v1::AwaitRevisionResponse)>;
  using CommandCallback = std::function<void(v1::CommandResponse)>;

  virtual ~Fleet() = default;

  // In order of node id.
  virtual std::vector<v1::NodeStatus> ListNodes() = 0;

  // Calls back when every connected node has answered `revision` or a newer
  // one, or the time is over; possibly before it returns. RESOURCE_EXHAUSTED:
  // too many wait already; OUT_OF_RANGE: no such revision. Then it never calls.
  virtual absl::Status Await(uint64_t revision, absl::Duration timeout, AwaitCallback callback) = 0;

  // Hands the request's query or command to the node that it names, or to all,
  // and calls back as Await does. NOT_FOUND: no such node; RESOURCE_EXHAUSTED:
  // too many are under way. Then it never calls.
  virtual absl::Status Command(const v1::CommandRequest& request, absl::Duration timeout,
                               CommandCallback callback) = 0;

  // Takes a node off the list. NOT_FOUND; FAILED_PRECONDITION: it is connected.
  virtual absl::Status Forget(const std::string& node_id) = 0;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_FLEET_H_

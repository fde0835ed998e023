// From what a node has to what it shall have: the update messages, in chunks.
// Pure functions, called by the hub; a plan is shared by every subscriber that
// has the same to receive.
#ifndef SLUICE_CONTROLPLANE_PUSH_UPDATE_PLAN_H_
#define SLUICE_CONTROLPLANE_PUSH_UPDATE_PLAN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/push/catalog.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

struct UpdatePlan {
  std::string epoch;
  std::string nonce;
  CatalogPtr target;
  bool snapshot = false;
  // In order; the last one says last_chunk.
  std::vector<v1::SubscribeResponse> chunks;
};
using UpdatePlanPtr = std::shared_ptr<const UpdatePlan>;

// Chunks stay below this many bytes, but for a single resource that is larger.
// gRPC clients refuse more than 4 MiB.
inline constexpr size_t kMaxChunkBytes = (1 << 20) - 4096;

struct PlanRequest {
  // What the node has; null: unknown, so that everything is sent (snapshot).
  CatalogPtr base;
  CatalogPtr target;
  std::string epoch;
  std::string nonce;
  size_t max_chunk_bytes = kMaxChunkBytes;
  // Told with a snapshot: who takes a difference has this epoch already.
  std::vector<std::string> replaces_epochs = {};
};

UpdatePlanPtr MakePlan(const PlanRequest& request);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_UPDATE_PLAN_H_

// What the control plane knows of one data plane. Owned by the hub and touched
// under its mutex only.
#ifndef SLUICE_CONTROLPLANE_PUSH_NODE_H_
#define SLUICE_CONTROLPLANE_PUSH_NODE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/push/catalog.h"
#include "controlplane/push/update_plan.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// The sending side of one Subscribe stream. Called under the hub's mutex: must
// neither block nor call back into the hub.
class SubscriberStream {
 public:
  virtual ~SubscriberStream() = default;
  // Never called while another plan is unanswered.
  virtual void Send(UpdatePlanPtr plan) = 0;
  // A query or command; goes before what is left of a plan. False: too many
  // wait to be read already, and nothing was done.
  virtual bool SendCommand(std::shared_ptr<const v1::SubscribeResponse> message) = 0;
  virtual void Drain(const v1::Drain& drain) = 0;
  // The last call; the stream ends with this status.
  virtual void End(const absl::Status& status) = 0;
};

struct Node {
  std::string id;
  // Null: not connected.
  SubscriberStream* stream = nullptr;
  uint64_t stream_id = 0;
  absl::Time attached;
  absl::Time drain_at = absl::InfiniteFuture();
  bool draining = false;

  // What it has; null: unknown, so that it gets a snapshot.
  CatalogPtr base;
  uint64_t acked_revision = 0;
  absl::Time answered;
  // Every stream gets one update at first, even an empty one: it tells the
  // node that it is in step.
  bool greeted = false;
  // The one that waits for an answer.
  UpdatePlanPtr outstanding;
  absl::Time outstanding_since;
  // It runs what another store pushed, and has nothing of this one yet.
  bool foreign = false;
  // The revision that it refused; nothing is sent until there is a newer one.
  uint64_t parked_revision = 0;
  absl::Time last_digest_repair = absl::InfinitePast();

  // As shown to operators.
  v1::NodeState state = v1::NODE_STATE_PENDING;
  absl::Time since;
  std::string last_error;
  std::vector<v1::Violation> violations;
  v1::ConfigSource source = v1::CONFIG_SOURCE_UNSPECIFIED;
  v1::NodeHealth health;
  // InfinitePast: none came on this stream.
  absl::Time health_at = absl::InfinitePast();
  std::string version;
  std::string peer;

  // How often, within kRivalMemory of each other, a living stream gave way to a
  // newer one, when it last did, and where it came from.
  int replaced = 0;
  absl::Time replaced_at = absl::InfinitePast();
  absl::Time rivalry_told = absl::InfinitePast();
  std::string replaced_peer;

  bool connected() const { return stream != nullptr; }
};

// Takes what hello says; the stream is set by the hub.
void TakeHello(const v1::Hello& hello, const std::string& epoch, uint64_t newest_revision, Node& node);

// The state that its other fields make, `newest` being the newest revision.
v1::NodeState StateOf(const Node& node, uint64_t newest);

v1::NodeStatus StatusOf(const Node& node, absl::Time now);

// Its stream gives way to a newer one. True: two data planes have this id, and
// it should be told; at most once a minute.
bool NoteReplaced(Node& node, absl::Time now);

// Null when fine: the id's form and the schema version.
absl::Status CheckHello(const v1::Hello& hello);

// "upstream/openai: credential: env OPENAI_API_KEY is not set here", one line,
// at most 1 KiB.
std::string OneLine(const v1::Violation& violation);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_NODE_H_

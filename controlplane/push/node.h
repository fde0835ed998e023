// What the control plane knows of one data plane. Owned by the hub and touched
// under its mutex only.
#ifndef SLUICE_CONTROLPLANE_PUSH_NODE_H_
#define SLUICE_CONTROLPLANE_PUSH_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/push/catalog.h"
#include "controlplane/push/node_log.h"
#include "controlplane/push/rivalry.h"
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

// What a node's policies are held against: the store's epoch, the epochs that
// it may replace, and its newest revision.
struct StoreStanding {
  std::string epoch;
  std::vector<std::string> replaces_epochs;
  uint64_t revision = 0;
};

// How what a node runs stands to the store.
enum class EpochFit {
  // It runs nothing of a control plane.
  kNothing,
  kSame,
  // Of another store, which this one was said to replace.
  kReplaced,
  // Of another store.
  kForeign,
  // Of this epoch, from a future that the store lost: its file was put back.
  kAhead,
};

// Data planes say something every 5 s (ConfigOptions::health_interval): one
// that missed three times has no claim to its id any more. Longer would keep a
// node out that was moved to another machine after a power loss, shorter would
// give the id of one that is only busy away.
inline constexpr absl::Duration kAliveFor = absl::Seconds(15);

struct Node {
  std::string id;
  // Null: not connected.
  SubscriberStream* stream = nullptr;
  uint64_t stream_id = 0;
  absl::Time attached;
  // The last message of its stream.
  absl::Time heard;
  absl::Time drain_at = absl::InfiniteFuture();
  bool draining = false;
  // Said farewell; and its stream has ended since.
  bool leaving = false;
  bool gone = false;
  // Of one start of the program; empty: it is too old to tell.
  std::string instance_id;

  // Of what it runs; empty and 0: nothing of a control plane.
  std::string epoch;
  uint64_t acked_revision = 0;
  // That revision is not the store's, though of its epoch. Stays so when the
  // store reaches the number again.
  bool ahead = false;
  // What it has of this epoch; null: unknown, so that it gets a snapshot.
  CatalogPtr base;
  absl::Time answered;
  // Every stream gets one update at first, even an empty one: it tells the
  // node that it is in step.
  bool greeted = false;
  // The one that waits for an answer.
  UpdatePlanPtr outstanding;
  absl::Time outstanding_since;
  // The revision that it refused; nothing newer is sent until there is one.
  uint64_t parked_revision = 0;
  // The older one that it was offered in its place.
  uint64_t offered_revision = 0;
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

  Rivalry rivalry;
  LineBudget lines;

  bool connected() const { return stream != nullptr; }
  // Connected and means to stay.
  bool stays() const { return connected() && !leaving; }
  // Of two programs that say to be this node: the one that is connected is there.
  bool alive(absl::Time now) const { return stays() && now < heard + kAliveFor; }
};

// Takes what hello says; the stream is set by the hub.
void TakeHello(const v1::Hello& hello, const StoreStanding& store, Node& node);

EpochFit FitOf(const Node& node, const StoreStanding& store);
// It keeps what it runs until an operator says otherwise.
bool Mismatches(const Node& node, const StoreStanding& store);
// The newest revision of this store that it runs; 0: none.
uint64_t RevisionHere(const Node& node, const StoreStanding& store);
// What it runs and what can be done about it.
std::string MismatchText(const Node& node, const StoreStanding& store);

// The state that its other fields make.
v1::NodeState StateOf(const Node& node, const StoreStanding& store);

v1::NodeStatus StatusOf(const Node& node, absl::Time now);

// Null when fine: the id's form and the schema version.
absl::Status CheckHello(const v1::Hello& hello);

// "upstream/openai: credential: env OPENAI_API_KEY is not set here", one line,
// at most 1 KiB.
std::string OneLine(const v1::Violation& violation);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_NODE_H_

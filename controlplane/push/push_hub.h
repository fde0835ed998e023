// The heart of Push: every data plane, what it has, what it is being sent.
// push_hub.cc follows the store and sends; streams.cc has the life of streams,
// answers.cc what data planes say, in_force.cc what a node gets that refuses
// the newest revision, await.cc and command.cc what the Admin service asks.
//
// Streams, the store's watch and the Admin service call it from any thread; one
// mutex, held shortly. It owns no thread and no clock: PushTimer calls Tick
// when something is due, tests call it with a time of their own.
#ifndef SLUICE_CONTROLPLANE_PUSH_PUSH_HUB_H_
#define SLUICE_CONTROLPLANE_PUSH_PUSH_HUB_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/push/admission.h"
#include "controlplane/push/command_board.h"
#include "controlplane/push/debounce.h"
#include "controlplane/push/fleet.h"
#include "controlplane/push/node.h"
#include "controlplane/push/push_observer.h"
#include "controlplane/store/store.h"

namespace sluice {

struct PushSettings {
  // A node that does not answer holds memory; it comes back with what it has.
  absl::Duration ack_timeout = absl::Seconds(30);
  absl::Duration debounce = absl::Milliseconds(50);
  absl::Duration debounce_max = absl::Seconds(1);
  // Streams move now and then, so that replicas share the load; ± 10 %.
  absl::Duration max_stream_age = absl::Minutes(30);
  // What a node is given to connect anew.
  absl::Duration drain_within = absl::Seconds(10);
  absl::Duration forget_lost_after = absl::Hours(1);
  // Long enough for a look at what a rollout took away.
  absl::Duration forget_gone_after = absl::Minutes(10);
  size_t max_nodes = 10000;
  // Istio admits at most 100 a second.
  double admission_rate = 100;
  double admission_burst = 100;
  CommandLimits commands = {};
};

class PushHub : public Fleet {
 public:
  struct Options {
    PushSettings settings;
    std::function<absl::Time()> clock;
    // Must outlive the hub.
    PushObserver* observer = nullptr;
    // Called when Tick should be called earlier than it was told; may be called
    // under the hub's mutex.
    std::function<void()> wake;
    uint32_t seed = 1;
  };

  explicit PushHub(Options options);

  // Takes the newest state and follows the store, which must outlive the hub.
  // The watch must end before the hub does.
  absl::StatusOr<std::unique_ptr<StoreWatch>> Follow(Store& store);

  // Before a stream is read; returns its id. RESOURCE_EXHAUSTED when too many
  // come at once. A stream that then says no hello is ended.
  absl::StatusOr<uint64_t> Admit(SubscriberStream* stream);
  // ALREADY_EXISTS: another data plane with this id is alive.
  absl::Status Attach(uint64_t stream_id, const v1::Hello& hello, const std::string& peer);
  // Everything after hello. An error ends the stream.
  absl::Status OnMessage(uint64_t stream_id, const v1::SubscribeRequest& message);
  // After it the stream is not called any more. Any number of times.
  void Detach(uint64_t stream_id);

  // Does what is due and returns when to call again.
  absl::Time Tick();

  std::vector<v1::NodeStatus> ListNodes() override;
  absl::Status Await(uint64_t revision, absl::Duration timeout, AwaitCallback callback) override;
  absl::Status Command(const v1::CommandRequest& request, absl::Duration timeout, CommandCallback callback) override;
  absl::Status Forget(const std::string& node_id) override;

  uint64_t revision();
  std::map<v1::NodeState, int> CountByState();
  int CountStreams();

  // Asks every node to go elsewhere within this time and admits no new ones;
  // answers who waits.
  void Drain(absl::Duration within);
  // Ends the streams that are left.
  void EndAll();

 private:
  struct Waiter {
    uint64_t revision;
    absl::Time started;
    absl::Time deadline;
    AwaitCallback callback;
    // A node that had not answered when it was last looked at.
    std::string blocker;
  };
  // Who waited and has got what for; called when the mutex is free again.
  struct Completed {
    std::vector<std::pair<AwaitCallback, v1::AwaitRevisionResponse>> awaits;
    CommandBoard::Finished commands;
    void Call();
  };

  void OnEvent(const StoreEvent& event);
  void TakeLineage(const StoreEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendIfDue(Node& node, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  UpdatePlanPtr PlanFor(const CatalogPtr& base) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  UpdatePlanPtr NewPlan(const CatalogPtr& base, const CatalogPtr& target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Begin(Node& node, UpdatePlanPtr plan, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnAck(Node& node, const v1::Ack& ack, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnNack(Node& node, const v1::Nack& nack, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes that this revision is in force at a node.
  void NoteInForce(const CatalogPtr& catalog) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends what was last in force, if the node refused the newest and has nothing.
  void OfferInForce(Node& node, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reads what OfferInForce found missing; without the mutex, for the store may
  // be committing, which calls us.
  void LoadWanted() ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDigest(Node& node, const v1::Digest& digest, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateState(Node& node, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndStream(Node& node, const absl::Status& status, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After its stream ended; `why` as the log shall say it.
  void NoteEnded(Node& node, const std::string& why, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets the old stream of a node go for a new one, or says why not.
  absl::Status GiveWay(Node& node, const v1::Hello& hello, const std::string& peer, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Time ForgetAt(const Node& node) const;
  absl::Status Unknown(const std::string& node_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When something about this node is due; does what is due by now.
  absl::Time TickNode(Node& node, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Time EndSilent(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Node* Find(uint64_t stream_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeBy(absl::Time time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  bool Blocks(const Node& node, uint64_t revision) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDone(Waiter& waiter, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::AwaitRevisionResponse Summarise(const Waiter& waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Completed TakeCompleted(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ask(Node& node, const std::string& id, const std::shared_ptr<const v1::SubscribeResponse>& message,
           absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PushSettings settings_;
  const std::function<absl::Time()> clock_;
  PushObserver* const observer_;
  const std::function<void()> wake_;
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_);
  // Plans and commands are counted from one again after a restart; a node must
  // not take a new one for one that it has answered.
  const std::string nonce_tag_;

  absl::Mutex mutex_;
  // Set by Follow.
  Store* store_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // The newest revision and its lineage.
  StoreStanding standing_ ABSL_GUARDED_BY(mutex_);
  // Committed, and given to nodes.
  CatalogPtr newest_ ABSL_GUARDED_BY(mutex_);
  CatalogPtr published_ ABSL_GUARDED_BY(mutex_);
  Debounce debounce_ ABSL_GUARDED_BY(mutex_);
  Admission admission_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Node> nodes_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::string> streams_ ABSL_GUARDED_BY(mutex_);
  // Admitted streams that have not said hello, and until when they may wait.
  std::map<uint64_t, std::pair<SubscriberStream*, absl::Time>> silent_ ABSL_GUARDED_BY(mutex_);
  // Plans to `published_`, by what the node has; most nodes have the same.
  std::vector<std::pair<CatalogPtr, UpdatePlanPtr>> plans_ ABSL_GUARDED_BY(mutex_);
  // (revision, when it was committed), the last few.
  std::deque<std::pair<uint64_t, absl::Time>> commits_ ABSL_GUARDED_BY(mutex_);
  // The newest two that were in force at some node, the older one first: the
  // newest may be what a node refuses.
  std::vector<CatalogPtr> in_force_ ABSL_GUARDED_BY(mutex_);
  // To be read from the store; 0: none.
  uint64_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  CommandBoard board_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_tick_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  uint64_t last_stream_id_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_plan_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_PUSH_HUB_H_

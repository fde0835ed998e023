#include "controlplane/push/push_hub.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// Distinct pasts that nodes resume from at a time; beyond it plans are made
// without being shared.
constexpr size_t kMaxSharedPlans = 16;

}  // namespace

PushHub::PushHub(Options options)
    : settings_(options.settings),
      clock_(std::move(options.clock)),
      observer_(options.observer),
      wake_(std::move(options.wake)),
      random_(options.seed),
      nonce_tag_(absl::StrCat(absl::Hex(random_(), absl::kZeroPad8))),
      newest_(std::make_shared<Catalog>()),
      published_(newest_),
      debounce_(settings_.debounce, settings_.debounce_max),
      admission_(settings_.admission_rate, settings_.admission_burst),
      board_(settings_.commands, nonce_tag_) {}

void PushHub::Completed::Call() {
  for (auto& [callback, response] : awaits) callback(std::move(response));
  for (auto& [callback, response] : commands) callback(std::move(response));
}

absl::StatusOr<std::unique_ptr<StoreWatch>> PushHub::Follow(Store& store) {
  absl::StatusOr<PolicyStatePtr> state = store.Current();
  if (!state.ok()) return state.status();
  {
    const Lineage lineage = store.lineage();
    absl::MutexLock lock(&mutex_);
    store_ = &store;
    standing_ = {store.epoch(), lineage.replaces_epochs, (*state)->revision};
    newest_ = published_ = CatalogOf(**state);
    commits_.emplace_back(newest_->revision, newest_->committed);
  }
  return store.Watch((*state)->revision, [this](const StoreEvent& event) { OnEvent(event); });
}

void PushHub::OnEvent(const StoreEvent& event) {
  absl::MutexLock lock(&mutex_);
  absl::Time now = clock_();
  bool urgent = RemovesEndpoints(*newest_, event);
  if (!event.items.empty()) {
    newest_ = NextCatalog(*newest_, event);
    commits_.emplace_back(event.revision, event.committed);
    if (commits_.size() > 1000) commits_.pop_front();
  }
  standing_.revision = newest_->revision;
  TakeLineage(event);
  for (auto& [id, node] : nodes_) UpdateState(node, now);
  debounce_.OnChange(now, urgent);
  // The commit that called us is not held up by the sending.
  WakeBy(debounce_.due());
}

void PushHub::TakeLineage(const StoreEvent& event) {
  if (event.epoch == standing_.epoch && event.replaces_epochs == standing_.replaces_epochs) return;
  // What comes with it, and nothing older, is for the nodes that it replaces:
  // none may be sent what was published before, also not by connecting now.
  published_ = newest_;
  plans_.clear();
  standing_.replaces_epochs = event.replaces_epochs;
  if (event.epoch == standing_.epoch) return;
  standing_.epoch = event.epoch;
  for (auto& [id, node] : nodes_) node.base = nullptr;
}

void PushHub::SendIfDue(Node& node, absl::Time now) {
  if (!node.stays() || node.outstanding || Mismatches(node, standing_)) return;
  // An empty store has nothing to say: it must not wipe a fleet that runs.
  if (published_->revision == 0 || node.parked_revision >= published_->revision) return;
  if (node.greeted && node.base && node.base->revision >= published_->revision) return;
  // What hello told is a list of its own and not shared with anybody.
  bool shared = !node.base || node.greeted;
  Begin(node, shared ? PlanFor(node.base) : NewPlan(node.base, published_), now);
}

void PushHub::Begin(Node& node, UpdatePlanPtr plan, absl::Time now) {
  node.greeted = true;
  node.outstanding = plan;
  node.outstanding_since = now;
  WakeBy(now + settings_.ack_timeout);
  if (observer_ != nullptr) observer_->OnPush(plan->snapshot);
  node.stream->Send(std::move(plan));
}

UpdatePlanPtr PushHub::NewPlan(const CatalogPtr& base, const CatalogPtr& target) {
  PlanRequest request{base, target, standing_.epoch,
                      absl::StrCat(nonce_tag_, "-", target->revision, "-", ++last_plan_)};
  request.replaces_epochs = standing_.replaces_epochs;
  return MakePlan(request);
}

UpdatePlanPtr PushHub::PlanFor(const CatalogPtr& base) {
  for (const auto& [known, plan] : plans_) {
    if (known == base) return plan;
  }
  UpdatePlanPtr plan = NewPlan(base, published_);
  if (plans_.size() < kMaxSharedPlans) plans_.emplace_back(base, plan);
  return plan;
}

void PushHub::Publish(absl::Time now) {
  debounce_.OnPublished(now);
  published_ = newest_;
  plans_.clear();
  for (auto& [id, node] : nodes_) {
    SendIfDue(node, now);
    UpdateState(node, now);
  }
}

void PushHub::UpdateState(Node& node, absl::Time now) {
  v1::NodeState state = StateOf(node, standing_);
  if (state == node.state) return;
  const bool mismatched = node.state == v1::NODE_STATE_EPOCH_MISMATCH;
  node.state = state;
  node.since = now;
  if (state == v1::NODE_STATE_EPOCH_MISMATCH) {
    node.last_error = MismatchText(node, standing_);
    LogMismatch(node, now);
  } else if (mismatched && node.connected()) {
    node.last_error.clear();
  }
}

absl::Time PushHub::Tick() {
  Completed completed;
  absl::Time next;
  {
    absl::MutexLock lock(&mutex_);
    absl::Time now = clock_();
    if (now >= debounce_.due()) Publish(now);
    next = std::min(debounce_.due(), EndSilent(now));
    for (auto it = nodes_.begin(); it != nodes_.end();) {
      next = std::min(next, std::max(now, TickNode(it->second, now)));
      Node& node = it->second;
      bool forgotten = !node.connected() && now >= ForgetAt(node);
      it = forgotten ? nodes_.erase(it) : std::next(it);
    }
    completed = TakeCompleted(now);
    for (const Waiter& waiter : waiters_) next = std::min(next, waiter.deadline);
    next = std::min(next, board_.due());
    next_tick_ = next;
  }
  completed.Call();
  return next;
}

void PushHub::WakeBy(absl::Time time) {
  if (time >= next_tick_) return;
  next_tick_ = time;
  if (wake_) wake_();
}

uint64_t PushHub::revision() {
  absl::MutexLock lock(&mutex_);
  return newest_->revision;
}

std::map<v1::NodeState, int> PushHub::CountByState() {
  absl::MutexLock lock(&mutex_);
  std::map<v1::NodeState, int> counts;
  for (const auto& [id, node] : nodes_) ++counts[node.state];
  return counts;
}

int PushHub::CountStreams() {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(streams_.size());
}

void PushHub::Drain(absl::Duration within) {
  Completed completed;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    v1::Drain drain;
    *drain.mutable_within() = ToProto(within);
    drain.set_reason("the control plane is shutting down");
    for (auto& [id, node] : nodes_) {
      if (node.connected()) node.stream->Drain(drain);
    }
    for (Waiter& waiter : waiters_) completed.awaits.emplace_back(std::move(waiter.callback), Summarise(waiter));
    waiters_.clear();
    completed.commands = board_.TakeAll();
  }
  completed.Call();
}

void PushHub::EndAll() {
  absl::MutexLock lock(&mutex_);
  absl::Time now = clock_();
  for (auto& [id, waiting] : silent_) {
    waiting.first->End(absl::UnavailableError("the control plane is shutting down"));
  }
  silent_.clear();
  for (auto& [id, node] : nodes_) {
    if (node.connected()) EndStream(node, absl::UnavailableError("the control plane is shutting down"), now);
  }
}

}  // namespace sluice

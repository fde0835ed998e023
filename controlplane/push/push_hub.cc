#include "controlplane/push/push_hub.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// Distinct pasts that nodes resume from at a time; beyond it plans are made
// without being shared.
constexpr size_t kMaxSharedPlans = 16;
// A node shows this many of its violations at most.
constexpr int kMaxViolations = 20;
// A node whose digest keeps being wrong is repaired this often at most.
constexpr absl::Duration kDigestRepairInterval = absl::Minutes(1);

}  // namespace

PushHub::PushHub(Options options)
    : settings_(options.settings),
      epoch_(std::move(options.epoch)),
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
    absl::MutexLock lock(&mutex_);
    newest_ = published_ = CatalogOf(**state);
    commits_.emplace_back(newest_->revision, newest_->committed);
  }
  return store.Watch((*state)->revision, [this](const StoreEvent& event) { OnEvent(event); });
}

void PushHub::OnEvent(const StoreEvent& event) {
  absl::MutexLock lock(&mutex_);
  absl::Time now = clock_();
  bool urgent = RemovesEndpoints(*newest_, event);
  newest_ = NextCatalog(*newest_, event);
  commits_.emplace_back(event.revision, event.committed);
  if (commits_.size() > 1000) commits_.pop_front();
  for (auto& [id, node] : nodes_) UpdateState(node, now);
  debounce_.OnChange(now, urgent);
  // The commit that called us is not held up by the sending.
  WakeBy(debounce_.due());
}

absl::StatusOr<uint64_t> PushHub::Admit(SubscriberStream* stream) {
  absl::MutexLock lock(&mutex_);
  if (closing_) return absl::UnavailableError("the control plane is shutting down");
  absl::Time now = clock_();
  if (!admission_.TryAdmit(now)) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kNotAdmitted);
    absl::Duration wait = absl::Ceil(admission_.Wait(), absl::Milliseconds(1));
    return absl::ResourceExhaustedError(absl::StrCat("more than ", settings_.admission_rate,
                                                     " new streams a second; come again in ", FormatDurationText(wait)));
  }
  silent_[++last_stream_id_] = {stream, now + settings_.ack_timeout};
  WakeBy(now + settings_.ack_timeout);
  return last_stream_id_;
}

absl::Status PushHub::Attach(uint64_t stream_id, const v1::Hello& hello, const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  auto silent = silent_.find(stream_id);
  if (silent == silent_.end()) return absl::DeadlineExceededError("hello came too late");
  SubscriberStream* stream = silent->second.first;
  silent_.erase(silent);
  if (closing_) return absl::UnavailableError("the control plane is shutting down");
  if (absl::Status status = CheckHello(hello); !status.ok()) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kBadHello);
    return status;
  }
  absl::Time now = clock_();
  auto found = nodes_.find(hello.node_id());
  if (found == nodes_.end()) {
    if (absl::Status status = MakeRoom(); !status.ok()) return status;
    found = nodes_.try_emplace(hello.node_id()).first;
    found->second.since = now;
  }
  Node& node = found->second;
  if (node.connected()) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kReplaced);
    if (NoteReplaced(node, now)) {
      spdlog::warn("two data planes are called \"{}\", at {} and {}: each ends the other's stream; give each a --node-id "
                   "of its own",
                   node.id, node.peer, peer);
    }
    EndStream(node, absl::AbortedError(absl::StrCat("another data plane connected as \"", hello.node_id(), "\" from ", peer,
                                                    "; the newer stream wins: give each a --node-id of its own")),
              now);
  }
  node.id = hello.node_id();
  node.stream = stream;
  node.stream_id = stream_id;
  node.peer = peer;
  node.attached = now;
  TakeHello(hello, epoch_, newest_->revision, node);
  // Spread, so that streams that began together do not move together.
  std::uniform_real_distribution<double> spread(0.9, 1.1);
  node.drain_at = now + settings_.max_stream_age * spread(random_);
  WakeBy(node.drain_at);
  streams_[stream_id] = node.id;
  SendIfDue(node, now);
  UpdateState(node, now);
  return absl::OkStatus();
}

absl::Time PushHub::EndSilent(absl::Time now) {
  absl::Time next = absl::InfiniteFuture();
  std::erase_if(silent_, [&](auto& entry) {
    auto& [stream, deadline] = entry.second;
    if (now < deadline) {
      next = std::min(next, deadline);
      return false;
    }
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kBadHello);
    stream->End(absl::DeadlineExceededError("no hello came"));
    return true;
  });
  return next;
}

absl::Status PushHub::MakeRoom() {
  if (nodes_.size() < settings_.max_nodes) return absl::OkStatus();
  auto oldest = nodes_.end();
  for (auto it = nodes_.begin(); it != nodes_.end(); ++it) {
    if (it->second.connected()) continue;
    if (oldest == nodes_.end() || it->second.since < oldest->second.since) oldest = it;
  }
  if (oldest == nodes_.end()) {
    return absl::ResourceExhaustedError(absl::StrCat("all ", settings_.max_nodes, " places for data planes are taken"));
  }
  nodes_.erase(oldest);
  return absl::OkStatus();
}

Node* PushHub::Find(uint64_t stream_id) {
  auto stream = streams_.find(stream_id);
  return stream == streams_.end() ? nullptr : &nodes_.at(stream->second);
}

absl::Status PushHub::OnMessage(uint64_t stream_id, const v1::SubscribeRequest& message) {
  Completed completed;
  {
    absl::MutexLock lock(&mutex_);
    Node* node = Find(stream_id);
    // Ended meanwhile; what still arrives means nothing.
    if (node == nullptr) return absl::OkStatus();
    absl::Time now = clock_();
    switch (message.kind_case()) {
      case v1::SubscribeRequest::kHello:
        return absl::InvalidArgumentError("hello: only the first message of a stream may be one");
      case v1::SubscribeRequest::kAck:
        OnAck(*node, message.ack(), now);
        break;
      case v1::SubscribeRequest::kNack:
        OnNack(*node, message.nack(), now);
        break;
      case v1::SubscribeRequest::kHealth:
        node->health = message.health();
        node->health_at = now;
        break;
      case v1::SubscribeRequest::kDigest:
        OnDigest(*node, message.digest(), now);
        break;
      case v1::SubscribeRequest::kAnswer:
        board_.OnAnswer(node->id, message.answer(), now);
        break;
      default:
        break;  // newer kinds are safe to ignore
    }
    UpdateState(*node, now);
    completed = TakeCompleted(now);
  }
  completed.Call();
  return absl::OkStatus();
}

void PushHub::OnAck(Node& node, const v1::Ack& ack, absl::Time now) {
  if (!node.outstanding || node.outstanding->nonce != ack.nonce()) return;
  UpdatePlanPtr plan = std::move(node.outstanding);
  node.base = plan->target;
  node.acked_revision = plan->target->revision;
  node.parked_revision = 0;
  node.foreign = false;
  node.answered = now;
  node.source = v1::CONFIG_SOURCE_CONTROL_PLANE;
  node.last_error.clear();
  node.violations.clear();
  if (observer_ != nullptr) {
    // A node that was away acknowledges what is old: no latency of ours.
    if (plan->target->committed >= node.attached) {
      observer_->OnAck(now - plan->target->committed);
    } else {
      observer_->OnCatchUp();
    }
  }
  SendIfDue(node, now);
}

void PushHub::OnNack(Node& node, const v1::Nack& nack, absl::Time now) {
  if (!node.outstanding || node.outstanding->nonce != nack.nonce()) return;
  UpdatePlanPtr plan = std::move(node.outstanding);
  node.parked_revision = plan->target->revision;
  node.answered = now;
  node.violations.assign(nack.violations().begin(),
                         nack.violations().begin() + std::min(nack.violations_size(), kMaxViolations));
  node.last_error = node.violations.empty() ? "refused without a reason" : OneLine(node.violations.front());
  if (!node.violations.empty() && node.violations.front().code() == "REVISION_BEHIND") {
    node.last_error +=
        "; if the store was restored from a backup, do it with 'sluice-controlplane restore', which begins a new epoch";
  }
  if (observer_ != nullptr) observer_->OnNack();
  SendIfDue(node, now);
}

void PushHub::OnDigest(Node& node, const v1::Digest& digest, absl::Time now) {
  // While an update is under way the digest may be of either side of it.
  if (node.outstanding || !node.base || !node.greeted) return;
  bool same = digest.epoch() == epoch_ && digest.revision() == node.base->revision &&
              digest.sha256() == DigestOf(*node.base);
  if (same) return;
  if (observer_ != nullptr) observer_->OnDigestMismatch();
  node.last_error = absl::StrCat("its digest of revision ", digest.revision(), " does not match; sent anew");
  if (now < node.last_digest_repair + kDigestRepairInterval) return;
  node.last_digest_repair = now;
  node.base = nullptr;
  if (node.parked_revision < published_->revision) Begin(node, NewPlan(nullptr), now);
}

void PushHub::SendIfDue(Node& node, absl::Time now) {
  if (!node.connected() || node.outstanding) return;
  // An empty store has nothing to say: it must not wipe a fleet that runs.
  if (published_->revision == 0 || node.parked_revision >= published_->revision) return;
  if (node.greeted && node.base && node.base->revision >= published_->revision) return;
  // What hello told is a list of its own and not shared with anybody.
  bool shared = !node.base || node.greeted;
  Begin(node, shared ? PlanFor(node.base) : NewPlan(node.base), now);
}

void PushHub::Begin(Node& node, UpdatePlanPtr plan, absl::Time now) {
  node.greeted = true;
  node.outstanding = plan;
  node.outstanding_since = now;
  WakeBy(now + settings_.ack_timeout);
  if (observer_ != nullptr) observer_->OnPush(plan->snapshot);
  node.stream->Send(std::move(plan));
}

UpdatePlanPtr PushHub::NewPlan(const CatalogPtr& base) {
  return MakePlan({base, published_, epoch_, absl::StrCat(nonce_tag_, "-", published_->revision, "-", ++last_plan_)});
}

UpdatePlanPtr PushHub::PlanFor(const CatalogPtr& base) {
  for (const auto& [known, plan] : plans_) {
    if (known == base) return plan;
  }
  UpdatePlanPtr plan = NewPlan(base);
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
  v1::NodeState state = StateOf(node, newest_->revision);
  if (state == node.state) return;
  node.state = state;
  node.since = now;
}

void PushHub::EndStream(Node& node, const absl::Status& status, absl::Time now) {
  node.stream->End(status);
  streams_.erase(node.stream_id);
  node.stream = nullptr;
  node.outstanding = nullptr;
  UpdateState(node, now);
  if (board_.CountOpen(node.id) == 0) return;
  board_.OnLost(node.id, now);
  WakeBy(now);  // for whoever waits for it, once the mutex is free
}

void PushHub::Detach(uint64_t stream_id) {
  Completed completed;
  {
    absl::MutexLock lock(&mutex_);
    silent_.erase(stream_id);
    Node* node = Find(stream_id);
    if (node == nullptr) return;
    absl::Time now = clock_();
    streams_.erase(stream_id);
    node->stream = nullptr;
    node->outstanding = nullptr;
    UpdateState(*node, now);
    board_.OnLost(node->id, now);
    WakeBy(now + settings_.forget_lost_after);
    completed = TakeCompleted(now);
  }
  completed.Call();
}

absl::Time PushHub::TickNode(Node& node, absl::Time now) {
  if (!node.connected()) return node.since + settings_.forget_lost_after;
  absl::Time next = node.drain_at;
  if (node.outstanding) {
    absl::Time deadline = node.outstanding_since + settings_.ack_timeout;
    if (now >= deadline) {
      if (observer_ != nullptr) observer_->OnDropped(DropReason::kNoAck);
      node.last_error = absl::StrCat("no answer to revision ", node.outstanding->target->revision, " within ",
                                     FormatDurationText(settings_.ack_timeout));
      EndStream(node, absl::DeadlineExceededError(node.last_error), now);
      return now + settings_.forget_lost_after;
    }
    next = std::min(next, deadline);
  }
  if (now < node.drain_at) return next;
  if (node.draining) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kTooOld);
    EndStream(node, absl::UnavailableError("the stream has reached its greatest age; connect anew"), now);
    return now + settings_.forget_lost_after;
  }
  v1::Drain drain;
  *drain.mutable_within() = ToProto(settings_.drain_within);
  drain.set_reason("the stream has reached its greatest age");
  node.stream->Drain(drain);
  node.draining = true;
  node.drain_at = now + 2 * settings_.drain_within;
  return std::min(next == now ? node.drain_at : next, node.drain_at);
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
      bool forgotten = !node.connected() && now >= node.since + settings_.forget_lost_after;
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

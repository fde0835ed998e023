// The part of PushHub that answers the Admin service: who is there, and has
// everybody answered.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/push/push_hub.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// Each costs a few hundred bytes and no thread.
constexpr size_t kMaxWaiters = 1000;

}  // namespace

std::vector<v1::NodeStatus> PushHub::ListNodes() {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::NodeStatus> nodes;
  nodes.reserve(nodes_.size());
  const absl::Time now = clock_();
  for (const auto& [id, node] : nodes_) nodes.push_back(StatusOf(node, now));
  return nodes;
}

absl::Status PushHub::Await(uint64_t revision, absl::Duration timeout, AwaitCallback callback) {
  Completed completed;
  {
    absl::MutexLock lock(&mutex_);
    // Nobody would be left to answer it, and the program waits for its calls.
    if (closing_) return absl::UnavailableError("the control plane is shutting down");
    if (revision > newest_->revision) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " does not exist; the newest is ", newest_->revision));
    }
    if (waiters_.size() >= kMaxWaiters) {
      return absl::ResourceExhaustedError(absl::StrCat(kMaxWaiters, " calls wait for revisions already"));
    }
    absl::Time now = clock_();
    waiters_.push_back({revision, now, now + timeout, std::move(callback), ""});
    WakeBy(now + timeout);
    completed = TakeCompleted(now);
  }
  completed.Call();
  return absl::OkStatus();
}

bool PushHub::Blocks(const Node& node, uint64_t revision) const {
  return node.stays() && !Mismatches(node, standing_) && RevisionHere(node, standing_) < revision &&
         node.parked_revision < revision;
}

bool PushHub::IsDone(Waiter& waiter, absl::Time now) {
  if (now >= waiter.deadline) return true;
  // With thousands of nodes, a look at the last one that was late saves the
  // walk over all for every answer.
  auto known = nodes_.find(waiter.blocker);
  if (known != nodes_.end() && Blocks(known->second, waiter.revision)) return false;
  for (const auto& [id, node] : nodes_) {
    if (!Blocks(node, waiter.revision)) continue;
    waiter.blocker = id;
    return false;
  }
  return true;
}

v1::AwaitRevisionResponse PushHub::Summarise(const Waiter& waiter) {
  v1::AwaitRevisionResponse response;
  auto commit = std::find_if(commits_.begin(), commits_.end(),
                             [&waiter](const auto& entry) { return entry.first == waiter.revision; });
  absl::Duration elapsed = absl::ZeroDuration();
  const absl::Time now = clock_();
  for (const auto& [id, node] : nodes_) {
    if (node.gone || node.leaving) continue;
    const bool mismatched = node.connected() && Mismatches(node, standing_);
    const bool acked = RevisionHere(node, standing_) >= waiter.revision;
    const bool nacked = !acked && node.parked_revision >= waiter.revision;
    if (!node.connected()) {
      response.set_lost(response.lost() + 1);
    } else if (mismatched) {
      response.set_mismatched(response.mismatched() + 1);
    } else if (acked) {
      response.set_acked(response.acked() + 1);
    } else {
      nacked ? response.set_nacked(response.nacked() + 1) : response.set_pending(response.pending() + 1);
    }
    if (!node.connected() || !acked) *response.add_nodes() = StatusOf(node, now);
    const bool answered = node.connected() && !mismatched && (acked || nacked);
    if (answered && commit != commits_.end()) elapsed = std::max(elapsed, node.answered - commit->second);
  }
  *response.mutable_elapsed() = ToProto(elapsed);
  return response;
}

PushHub::Completed PushHub::TakeCompleted(absl::Time now) {
  Completed completed;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    mutex_.AssertHeld();
    if (!IsDone(waiter, now)) return false;
    completed.awaits.emplace_back(std::move(waiter.callback), Summarise(waiter));
    return true;
  });
  completed.commands = board_.TakeFinished(now);
  return completed;
}

}  // namespace sluice

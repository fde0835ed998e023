// The part of PushHub that lets streams come, move and go.
#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "controlplane/push/push_hub.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/wording.h"

namespace sluice {

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
  if (absl::Status status = GiveWay(node, hello, peer, now); !status.ok()) return status;
  // One that only moved to a new stream, as it was asked to, is no news.
  const bool moved = node.draining && !node.instance_id.empty() && node.instance_id == hello.instance_id();
  node.id = hello.node_id();
  node.stream = stream;
  node.stream_id = stream_id;
  node.peer = peer;
  node.attached = node.heard = now;
  TakeHello(hello, standing_, node);
  if (!moved) LogCame(node, now);
  const uint64_t runs = RevisionHere(node, standing_);
  if (runs > 0 && runs == published_->revision) NoteInForce(published_);
  // Spread, so that streams that began together do not move together.
  std::uniform_real_distribution<double> spread(0.9, 1.1);
  node.drain_at = now + settings_.max_stream_age * spread(random_);
  WakeBy(node.drain_at);
  streams_[stream_id] = node.id;
  SendIfDue(node, now);
  UpdateState(node, now);
  return absl::OkStatus();
}

absl::Status PushHub::GiveWay(Node& node, const v1::Hello& hello, const std::string& peer, absl::Time now) {
  if (!node.connected()) return absl::OkStatus();
  const bool told = !node.instance_id.empty() && !hello.instance_id().empty();
  if (told && node.instance_id != hello.instance_id() && node.alive(now)) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kRival);
    if (node.rivalry.OnRefused(peer, now)) LogRival(node, peer);
    return absl::AlreadyExistsError(absl::StrCat("node id \"", node.id, "\" is in use by the data plane at ", node.peer,
                                                 ": give this one a --node-id of its own"));
  }
  if (observer_ != nullptr) observer_->OnDropped(DropReason::kReplaced);
  // A program too old to tell its starts apart may be one of two.
  if (!told && node.rivalry.OnReplaced(node.peer, now)) LogRival(node, peer);
  const std::string why =
      told && node.instance_id == hello.instance_id()
          ? absl::StrCat("it connected anew, from ", peer)
          : absl::StrCat("another data plane connected as \"", node.id, "\" from ", peer,
                         "; the newer stream wins: give each a --node-id of its own");
  EndStream(node, absl::AbortedError(why), now);
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

void PushHub::EndStream(Node& node, const absl::Status& status, absl::Time now) {
  node.stream->End(status);
  streams_.erase(node.stream_id);
  NoteEnded(node, std::string(status.message()), now);
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
    NoteEnded(*node, "its connection ended", now);
    board_.OnLost(node->id, now);
    completed = TakeCompleted(now);
  }
  completed.Call();
}

void PushHub::NoteEnded(Node& node, const std::string& why, absl::Time now) {
  node.stream = nullptr;
  node.outstanding = nullptr;
  node.gone = node.leaving;
  UpdateState(node, now);
  WakeBy(node.draining ? now + kAliveFor : ForgetAt(node));
  if (closing_) return;
  if (node.gone) {
    LogGone(node, now);
  } else if (!node.draining) {  // else it is about to come back
    LogLost(node, why, now);
  }
}

absl::Time PushHub::ForgetAt(const Node& node) const {
  return node.since + (node.gone ? settings_.forget_gone_after : settings_.forget_lost_after);
}

absl::Status PushHub::Unknown(const std::string& node_id) {
  std::vector<std::string> known;
  for (const auto& [id, node] : nodes_) known.push_back(id);
  return absl::NotFoundError(absl::StrCat("data plane ", Shown(node_id), " is not known",
                                          known.empty() ? "; none has connected" : DidYouMean(node_id, known)));
}

absl::Status PushHub::Forget(const std::string& node_id) {
  absl::MutexLock lock(&mutex_);
  auto found = nodes_.find(node_id);
  if (found == nodes_.end()) return Unknown(node_id);
  if (found->second.connected()) {
    return absl::FailedPreconditionError(absl::StrCat("data plane ", Shown(node_id), " is connected, from ",
                                                      found->second.peer, "; only one that is not can be forgotten"));
  }
  nodes_.erase(found);
  return absl::OkStatus();
}

absl::Time PushHub::TickNode(Node& node, absl::Time now) {
  if (!node.connected()) {
    if (!node.draining) return ForgetAt(node);
    if (now < node.since + kAliveFor) return node.since + kAliveFor;
    node.draining = false;
    LogLost(node, "asked to connect anew, it did not", now);
    return ForgetAt(node);
  }
  absl::Time next = node.drain_at;
  if (node.outstanding) {
    absl::Time deadline = node.outstanding_since + settings_.ack_timeout;
    if (now >= deadline) {
      if (observer_ != nullptr) observer_->OnDropped(DropReason::kNoAck);
      node.last_error = absl::StrCat("no answer to revision ", node.outstanding->target->revision, " within ",
                                     FormatDurationText(settings_.ack_timeout));
      EndStream(node, absl::DeadlineExceededError(node.last_error), now);
      return ForgetAt(node);
    }
    next = std::min(next, deadline);
  }
  if (now < node.drain_at) return next;
  if (node.draining) {
    if (observer_ != nullptr) observer_->OnDropped(DropReason::kTooOld);
    EndStream(node, absl::UnavailableError("the stream has reached its greatest age; connect anew"), now);
    return ForgetAt(node);
  }
  v1::Drain drain;
  *drain.mutable_within() = ToProto(settings_.drain_within);
  drain.set_reason("the stream has reached its greatest age");
  node.stream->Drain(drain);
  node.draining = true;
  node.drain_at = now + 2 * settings_.drain_within;
  return std::min(next == now ? node.drain_at : next, node.drain_at);
}

}  // namespace sluice

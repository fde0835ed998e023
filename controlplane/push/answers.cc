// The part of PushHub that takes what data planes say.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/push/push_hub.h"

namespace sluice {
namespace {

// A node shows this many of its violations at most.
constexpr int kMaxViolations = 20;
// A node whose digest keeps being wrong is repaired this often at most.
constexpr absl::Duration kDigestRepairInterval = absl::Minutes(1);

}  // namespace

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
    node->heard = now;
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
      case v1::SubscribeRequest::kGoodbye:
        node->leaving = true;
        break;
      default:
        break;  // newer kinds are safe to ignore
    }
    UpdateState(*node, now);
    completed = TakeCompleted(now);
  }
  completed.Call();
  LoadWanted();
  return absl::OkStatus();
}

void PushHub::OnAck(Node& node, const v1::Ack& ack, absl::Time now) {
  if (!node.outstanding || node.outstanding->nonce != ack.nonce()) return;
  UpdatePlanPtr plan = std::move(node.outstanding);
  const uint64_t revision = plan->target->revision;
  // Begun before the store began a new epoch, it is no base for differences.
  node.base = plan->epoch == standing_.epoch ? plan->target : nullptr;
  node.epoch = plan->epoch;
  node.acked_revision = revision;
  node.ahead = false;
  node.answered = now;
  node.source = v1::CONFIG_SOURCE_CONTROL_PLANE;
  NoteInForce(plan->target);
  // What it runs in place of a revision that it refused does not undo the refusal.
  if (revision >= node.parked_revision) {
    node.parked_revision = 0;
    node.last_error.clear();
    node.violations.clear();
  }
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
  const uint64_t revision = plan->target->revision;
  if (observer_ != nullptr) observer_->OnNack();
  node.answered = now;
  // Refused what was offered in place of the newest: why it refused that one is
  // what has to be mended.
  if (revision < node.parked_revision) return SendIfDue(node, now);
  node.parked_revision = revision;
  node.violations.assign(nack.violations().begin(),
                         nack.violations().begin() + std::min(nack.violations_size(), kMaxViolations));
  node.last_error = node.violations.empty() ? "refused without a reason" : OneLine(node.violations.front());
  LogNack(node, revision, now);
  SendIfDue(node, now);
  if (!node.outstanding) OfferInForce(node, now);
}

void PushHub::OnDigest(Node& node, const v1::Digest& digest, absl::Time now) {
  // While an update is under way the digest may be of either side of it.
  if (node.outstanding || !node.base || !node.greeted) return;
  bool same = digest.epoch() == node.epoch && digest.revision() == node.base->revision &&
              digest.sha256() == DigestOf(*node.base);
  if (same) return;
  if (observer_ != nullptr) observer_->OnDigestMismatch();
  node.last_error = absl::StrCat("its digest of revision ", digest.revision(), " does not match; sent anew");
  if (now < node.last_digest_repair + kDigestRepairInterval) return;
  node.last_digest_repair = now;
  node.base = nullptr;
  if (node.parked_revision < published_->revision) Begin(node, NewPlan(nullptr, published_), now);
}

}  // namespace sluice

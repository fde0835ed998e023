#include "controlplane/push/node.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

// Of what other programs say.
constexpr size_t kMaxVersion = 64;
constexpr size_t kMaxInstanceBytes = 128;

}  // namespace

void TakeHello(const v1::Hello& hello, const StoreStanding& store, Node& node) {
  const bool runs = hello.revision() > 0 && !hello.epoch().empty();
  const bool same_as_before = node.epoch == hello.epoch() && node.acked_revision == hello.revision();
  node.ahead = runs && hello.epoch() == store.epoch &&
               (hello.revision() > store.revision || (node.ahead && same_as_before));
  node.epoch = runs ? hello.epoch() : "";
  node.acked_revision = runs ? hello.revision() : 0;
  // Revisions of another store, or from a future that this one lost, say
  // nothing here.
  node.base = FitOf(node, store) == EpochFit::kSame ? CatalogOf(hello) : nullptr;
  node.instance_id = hello.instance_id();
  node.greeted = false;
  node.outstanding = nullptr;
  node.parked_revision = node.offered_revision = 0;
  node.draining = node.leaving = node.gone = false;
  node.version = hello.version().substr(0, ValidUtf8Prefix(hello.version().substr(0, kMaxVersion)));
  node.source = hello.source();
  node.last_error.clear();
  node.violations.clear();
  node.health_at = absl::InfinitePast();
  if (FitOf(node, store) == EpochFit::kReplaced) {
    node.last_error = absl::StrCat("runs revision ", node.acked_revision,
                                   " of another store, which the policies of this one replace as a whole");
  }
}

EpochFit FitOf(const Node& node, const StoreStanding& store) {
  if (node.epoch.empty()) return EpochFit::kNothing;
  if (node.epoch == store.epoch) return node.ahead ? EpochFit::kAhead : EpochFit::kSame;
  const auto& replaced = store.replaces_epochs;
  const bool found = std::find(replaced.begin(), replaced.end(), node.epoch) != replaced.end();
  return found ? EpochFit::kReplaced : EpochFit::kForeign;
}

bool Mismatches(const Node& node, const StoreStanding& store) {
  const EpochFit fit = FitOf(node, store);
  return fit == EpochFit::kForeign || fit == EpochFit::kAhead;
}

uint64_t RevisionHere(const Node& node, const StoreStanding& store) {
  return FitOf(node, store) == EpochFit::kSame ? node.acked_revision : 0;
}

std::string MismatchText(const Node& node, const StoreStanding& store) {
  const bool ahead = FitOf(node, store) == EpochFit::kAhead;
  return absl::StrCat("runs revision ", node.acked_revision,
                      ahead ? ", which this store lost; restore its backup with sluice-controlplane restore, or: "
                            : " of another store; ",
                      "sluicectl apply --adopt goes on from what it runs, --new-epoch replaces it");
}

v1::NodeState StateOf(const Node& node, const StoreStanding& store) {
  if (!node.connected()) return node.gone ? v1::NODE_STATE_GONE : v1::NODE_STATE_LOST;
  const EpochFit fit = FitOf(node, store);
  if (fit == EpochFit::kForeign || fit == EpochFit::kAhead) return v1::NODE_STATE_EPOCH_MISMATCH;
  if (fit != EpochFit::kReplaced && RevisionHere(node, store) >= store.revision) return v1::NODE_STATE_ACKED;
  if (node.parked_revision >= store.revision && node.parked_revision > 0) return v1::NODE_STATE_NACKED;
  return v1::NODE_STATE_PENDING;
}

v1::NodeStatus StatusOf(const Node& node, absl::Time now) {
  v1::NodeStatus status;
  status.set_node_id(node.id);
  status.set_state(node.state);
  status.set_acked_revision(node.acked_revision);
  *status.mutable_since() = ToProto(node.since);
  status.set_last_error(node.last_error);
  for (const v1::Violation& violation : node.violations) *status.add_violations() = violation;
  status.set_source(node.source);
  if (node.health_at != absl::InfinitePast()) {
    *status.mutable_health() = node.health;
    *status.mutable_health_age() = ToProto(std::max(absl::ZeroDuration(), now - node.health_at));
  }
  status.set_version(node.version);
  status.set_peer(node.peer);
  status.set_rival_peer(node.rivalry.Peer(now));
  status.set_epoch(node.epoch);
  return status;
}

absl::Status CheckHello(const v1::Hello& hello) {
  const std::string& id = hello.node_id();
  bool good = !id.empty() && id.size() <= 63 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (!good) {
    return absl::InvalidArgumentError("hello.node_id: must be 1 to 63 characters of [A-Za-z0-9._-]");
  }
  if (hello.schema_version() == 0) {
    return absl::InvalidArgumentError("hello.schema_version: missing; must be at least 1");
  }
  // They are kept, and an epoch goes into the store where it is replaced.
  if (hello.epoch().size() > kMaxEpochBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("hello.epoch: has ", hello.epoch().size(), " bytes; must have at most ", kMaxEpochBytes));
  }
  if (hello.instance_id().size() > kMaxInstanceBytes) {
    return absl::InvalidArgumentError(absl::StrCat("hello.instance_id: has ", hello.instance_id().size(),
                                                   " bytes; must have at most ", kMaxInstanceBytes));
  }
  return absl::OkStatus();
}

std::string OneLine(const v1::Violation& violation) {
  std::string text = ResourceId(violation.resource().kind(), violation.resource().name());
  if (!violation.path().empty()) absl::StrAppend(&text, ": ", violation.path());
  absl::StrAppend(&text, ": ", MessageOf(violation));
  std::replace_if(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); }, ' ');
  if (text.size() > 1000) text = absl::StrCat(text.substr(0, 997), "...");
  return text;
}

}  // namespace sluice

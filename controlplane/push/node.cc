#include "controlplane/push/node.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

// Data planes connect anew within two minutes at most: two with one id are seen
// again and again in this time.
constexpr absl::Duration kRivalMemory = absl::Minutes(5);
// A single one may have come back before its loss was seen.
constexpr int kRivalAfter = 2;
constexpr absl::Duration kTellInterval = absl::Minutes(1);

bool HasRival(const Node& node, absl::Time now) {
  return node.replaced >= kRivalAfter && now < node.replaced_at + kRivalMemory;
}

}  // namespace

bool NoteReplaced(Node& node, absl::Time now) {
  if (now >= node.replaced_at + kRivalMemory) node.replaced = 0;
  ++node.replaced;
  node.replaced_at = now;
  node.replaced_peer = node.peer;
  if (!HasRival(node, now) || now < node.rivalry_told + kTellInterval) return false;
  node.rivalry_told = now;
  return true;
}

void TakeHello(const v1::Hello& hello, const std::string& epoch, uint64_t newest_revision, Node& node) {
  // Revisions of another store, or from a future that this one lost, say
  // nothing: everything is sent.
  bool comparable = hello.epoch() == epoch && hello.revision() > 0 && hello.revision() <= newest_revision;
  node.base = comparable ? CatalogOf(hello) : nullptr;
  node.acked_revision = comparable ? hello.revision() : 0;
  node.greeted = false;
  node.outstanding = nullptr;
  node.parked_revision = 0;
  node.draining = false;
  node.version = hello.version().substr(0, 64);
  node.source = hello.source();
  node.last_error.clear();
  node.violations.clear();
  node.health_at = absl::InfinitePast();
  node.foreign = hello.revision() > 0 && hello.epoch() != epoch;
  if (node.foreign) {
    node.last_error = absl::StrCat("runs revision ", hello.revision(),
                                   " of another store, which the policies of this one replace as a whole");
  }
}

v1::NodeState StateOf(const Node& node, uint64_t newest) {
  if (!node.connected()) return v1::NODE_STATE_LOST;
  if (node.acked_revision >= newest && !node.foreign) return v1::NODE_STATE_ACKED;
  if (node.parked_revision >= newest && node.parked_revision > 0) return v1::NODE_STATE_NACKED;
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
  if (HasRival(node, now)) status.set_rival_peer(node.replaced_peer);
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

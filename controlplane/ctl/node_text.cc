#include "controlplane/ctl/node_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "controlplane/ctl/message_node.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

std::string LastErrorText(const v1::NodeStatus& node) {
  // Of an epoch that does not fit too: the control plane says what can be done.
  if (!node.last_error().empty()) return node.last_error();
  return node.violations().empty() ? "" : ViolationText(node.violations(0));
}

}  // namespace

Table::Cell NodeStateCell(v1::NodeState state) {
  switch (state) {
    case v1::NODE_STATE_ACKED:
      return {"acked", Color::kGreen};
    case v1::NODE_STATE_PENDING:
      return {"pending", Color::kYellow};
    case v1::NODE_STATE_NACKED:
      return {"NACKED", Color::kRed};
    case v1::NODE_STATE_LOST:
      return {"LOST", Color::kRed};
    case v1::NODE_STATE_EPOCH_MISMATCH:
      return {"EPOCH MISMATCH", Color::kRed};
    case v1::NODE_STATE_GONE:
      return {"gone", Color::kDim};
    default:
      // A newer control plane's.
      return absl::StrReplaceAll(absl::AsciiStrToLower(EnumWord(state)), {{"_", " "}});
  }
}

bool ShowsFigures(const v1::NodeStatus& node) {
  return node.has_health() && node.state() != v1::NODE_STATE_LOST && node.state() != v1::NODE_STATE_GONE;
}

std::vector<std::string> TroubleOf(const v1::NodeStatus& node) {
  std::vector<std::string> trouble;
  if (!node.rival_peer().empty()) {
    trouble.push_back(absl::StrCat("TWO DATA PLANES have this id: the one at ", node.rival_peer(),
                                   " was refused; give each its own --node-id"));
  }
  if (ShowsFigures(node)) {
    for (const std::string& shortage : node.health().shortages()) trouble.push_back(absl::StrCat("SHORT: ", shortage));
  }
  if (const std::string error = LastErrorText(node); !error.empty()) trouble.push_back(error);
  if (node.source() == v1::CONFIG_SOURCE_LAST_KNOWN_GOOD) trouble.push_back("runs its last known good");
  return trouble;
}

std::string ViolationText(const v1::Violation& violation) {
  return absl::StrCat(ResourceId(violation.resource().kind(), violation.resource().name()), ": ", violation.path(),
                      violation.path().empty() ? "" : ": ", violation.message());
}

Table::Cell SourceCell(v1::ConfigSource source) {
  return {absl::StrReplaceAll(absl::AsciiStrToLower(EnumWord(source)), {{"_", " "}}),
          source == v1::CONFIG_SOURCE_CONTROL_PLANE ? Color::kGreen : Color::kYellow};
}

}  // namespace sluice::ctl

#include "controlplane/ctl/node_findings.h"

#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

// A node speaks of itself.
std::string SaidOfAnother(std::string message) {
  constexpr std::string_view kHere = " here";
  if (absl::EndsWith(message, absl::string_view(kHere.data(), kHere.size()))) {
    message.replace(message.size() - kHere.size(), kHere.size(), " there");
  }
  return message;
}

}  // namespace

std::string FindingText(const v1::Violation& violation) {
  std::string text;
  if (!violation.resource().name().empty()) {
    text = absl::StrCat(ResourceId(violation.resource().kind(), violation.resource().name()), ": ");
  }
  if (!violation.path().empty()) absl::StrAppend(&text, violation.path(), ": ");
  return text + SaidOfAnother(MessageOf(violation));
}

ExitCode PrintNodeFindings(const NodeFindings& nodes, std::ostream& err) {
  ExitCode code = ExitCode::kOk;
  for (const v1::NodeFindings& node : nodes) {
    if (node.code() != 0) {
      err << node.node_id() << " could not be asked: " << node.message() << "\n";
      if (code == ExitCode::kOk) code = ExitCode::kNotAcked;
    }
    for (const v1::Violation& violation : node.violations()) {
      err << node.node_id() << " would refuse: " << FindingText(violation) << "\n";
      code = ExitCode::kNodeRefused;
    }
  }
  return code;
}

}  // namespace sluice::ctl

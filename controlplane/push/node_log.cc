#include "controlplane/push/node_log.h"

#include "absl/strings/str_cat.h"
#include "controlplane/push/node.h"
#include "proto/policy/wording.h"
#include "spdlog/spdlog.h"

namespace sluice {

bool LineBudget::Take(absl::Time now, std::string& suffix) {
  suffix.clear();
  if (!tokens_.TryAdmit(now)) {
    ++left_out_;
    return false;
  }
  if (left_out_ > 0) suffix = absl::StrCat(" (", left_out_, " lines about it left out)");
  left_out_ = 0;
  return true;
}

namespace {

void Log(spdlog::level::level_enum level, Node& node, absl::Time now, const std::string& text) {
  std::string suffix;
  if (node.lines.Take(now, suffix)) spdlog::log(level, "data plane {} {}{}", node.id, text, suffix);
}

std::string Runs(const Node& node) {
  if (node.epoch.empty()) return "runs nothing of a control plane yet";
  return absl::StrCat("runs revision ", node.acked_revision, " of epoch ", Shown(node.epoch));
}

}  // namespace

void LogCame(Node& node, absl::Time now) {
  const std::string version = node.version.empty() ? "" : absl::StrCat(", version ", Shown(node.version));
  Log(spdlog::level::info, node, now, absl::StrCat("connected from ", node.peer, version, ", ", Runs(node)));
}

void LogMismatch(Node& node, absl::Time now) { Log(spdlog::level::warn, node, now, node.last_error); }

void LogNack(Node& node, uint64_t revision, absl::Time now) {
  Log(spdlog::level::warn, node, now, absl::StrCat("refused revision ", revision, ": ", node.last_error));
}

void LogLost(Node& node, const std::string& why, absl::Time now) {
  Log(spdlog::level::warn, node, now, absl::StrCat("lost: ", why));
}

void LogGone(Node& node, absl::Time now) { Log(spdlog::level::info, node, now, "left in peace"); }

void LogRival(const Node& node, const std::string& peer) {
  spdlog::warn("two data planes are called \"{}\", at {} and {}: give each a --node-id of its own", node.id, node.peer,
               peer);
}

}  // namespace sluice

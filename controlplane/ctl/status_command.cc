// status: what every data plane runs.
#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/table.h"
#include "controlplane/ctl/watch.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

struct StatusOptions {
  WatchOptions watch;
  bool check = false;
};

// Trouble in capitals: it must be seen without colour too.
Table::Cell StateCell(v1::NodeState state) {
  switch (state) {
    case v1::NODE_STATE_ACKED:
      return {"acked", Color::kGreen};
    case v1::NODE_STATE_PENDING:
      return {"pending", Color::kYellow};
    case v1::NODE_STATE_NACKED:
      return {"NACKED", Color::kRed};
    case v1::NODE_STATE_LOST:
      return {"LOST", Color::kRed};
    default:
      return "unknown";
  }
}

// Comes and goes with the two streams, so that it stands before everything else.
std::string RivalText(const v1::NodeStatus& node) {
  if (node.rival_peer().empty()) return "";
  return absl::StrCat("TWO DATA PLANES have this id (", node.rival_peer(), ", ", node.peer(),
                      ") and end each other's streams: give each its own --node-id");
}

std::string ErrorText(const v1::NodeStatus& node) {
  if (const std::string rival = RivalText(node); !rival.empty()) return rival;
  std::string text = node.last_error();
  if (text.empty() && !node.violations().empty()) {
    const v1::Violation& first = node.violations(0);
    text = absl::StrCat(ResourceId(first.resource().kind(), first.resource().name()), ": ", first.message());
  }
  if (node.source() == v1::CONFIG_SOURCE_LAST_KNOWN_GOOD) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", "runs its last known good");
  }
  return text;
}

bool ShowsFigures(const v1::NodeStatus& node) { return node.has_health() && node.state() != v1::NODE_STATE_LOST; }

std::vector<Table::Cell> RowOf(const v1::NodeStatus& node, absl::Time now) {
  const bool alive = ShowsFigures(node);
  return {node.node_id(),
          node.acked_revision() == 0 ? "–" : absl::StrCat(node.acked_revision()),
          StateCell(node.state()),
          node.has_since() ? AgeText(now - ToAbsl(node.since())) : "–",
          alive ? absl::StrCat(FigureText(node.health().calls_per_second()), "/s") : "–",
          alive ? FigureText(static_cast<double>(node.health().open_calls())) : "–",
          alive ? FigureText(node.health().errors_per_minute()) : "–",
          ErrorText(node)};
}

// The oldest of the figures that are shown; nothing where none are.
std::string FiguresAge(const v1::ListNodesResponse& response) {
  absl::Duration oldest = -absl::InfiniteDuration();
  for (const v1::NodeStatus& node : response.nodes()) {
    if (ShowsFigures(node) && node.has_health_age()) oldest = std::max(oldest, ToAbsl(node.health_age()));
  }
  if (oldest < absl::ZeroDuration()) return "";
  return absl::StrCat(" · figures up to ", SpanText(absl::Ceil(oldest, absl::Seconds(1))), " old");
}

void PrintNodes(Session& session, const v1::ListNodesResponse& response) {
  if (response.nodes().empty()) {
    session.out() << "revision " << response.revision() << " · no data plane has connected\n";
    return;
  }
  Table table({"NODE", "REVISION", "STATE", "SINCE", "CALLS", "OPEN", "ERRORS/MIN", "LAST ERROR"});
  int current = 0;
  for (const v1::NodeStatus& node : response.nodes()) {
    table.AddRow(RowOf(node, session.now()));
    current += node.state() == v1::NODE_STATE_ACKED;
  }
  table.Print(session);
  session.out() << "revision " << response.revision() << " · run by " << current << "/" << response.nodes_size()
                << (response.nodes_size() == 1 ? " data plane" : " data planes") << FiguresAge(response) << "\n";
}

ExitCode CheckCode(const v1::ListNodesResponse& response) {
  const auto in = [&](v1::NodeState state) {
    return std::any_of(response.nodes().begin(), response.nodes().end(),
                       [&](const v1::NodeStatus& node) { return node.state() == state; });
  };
  if (in(v1::NODE_STATE_NACKED)) return ExitCode::kNodeRefused;
  // Of two with one id, one is always without its stream.
  const bool rivals = std::any_of(response.nodes().begin(), response.nodes().end(),
                                  [](const v1::NodeStatus& node) { return !node.rival_peer().empty(); });
  return rivals || in(v1::NODE_STATE_PENDING) || in(v1::NODE_STATE_LOST) ? ExitCode::kNotAcked : ExitCode::kOk;
}

ExitCode ShowOnce(Session& session, const StatusOptions& options) {
  v1::ListNodesResponse response;
  const grpc::Status status = session.Call(&v1::Admin::Stub::ListNodes, v1::ListNodesRequest(), &response);
  if (!status.ok()) return session.Fail(status);
  std::sort(response.mutable_nodes()->begin(), response.mutable_nodes()->end(),
            [](const v1::NodeStatus& a, const v1::NodeStatus& b) { return a.node_id() < b.node_id(); });
  BeginLook(session, options.watch);
  session.Show(response);
  for (const v1::NodeStatus& node : response.nodes()) session.Name(absl::StrCat("node/", node.node_id()));
  PrintNodes(session, response);
  return options.check ? CheckCode(response) : ExitCode::kOk;
}

}  // namespace

void AddStatus(CommandSet& commands) { AddStatusAs(commands, commands.root(), "status"); }

void AddStatusAs(CommandSet& commands, CLI::App& group, const std::string& name) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App& app = commands.Add(group, name, "Show every data plane: the revision it runs, since when, its last error",
                               "sluicectl status\n"
                               "sluicectl status --watch\n"
                               "sluicectl status --check || page-somebody\n"
                               "sluicectl status -o json | jq '.nodes[] | select(.state == \"NODE_STATE_NACKED\")'",
                               [options](Session& session) {
                                 return Watch(session, options->watch, [&] { return ShowOnce(session, *options); });
                               });
  AddWatchOptions(app, options->watch);
  app.add_flag("--check", options->check, "Exit with 7 if a data plane refused, 8 if one is behind or lost, or two have one id");
}

}  // namespace sluice::ctl

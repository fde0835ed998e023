// status: what every data plane runs.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/node_text.h"
#include "controlplane/ctl/table.h"
#include "controlplane/ctl/watch.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {
namespace {

struct StatusOptions {
  WatchOptions watch;
  bool check = false;
};

std::vector<Table::Cell> RowOf(const v1::NodeStatus& node, const Clock& clock) {
  const bool alive = ShowsFigures(node);
  const v1::NodeHealth& health = node.health();
  return {node.node_id(),
          node.acked_revision() == 0 ? "–" : absl::StrCat(node.acked_revision()),
          NodeStateCell(node.state()),
          node.has_since() ? SinceCell(ToAbsl(node.since()), clock) : "–",
          alive ? absl::StrCat(FigureText(health.calls_per_second()), "/s") : "–",
          alive ? FigureText(static_cast<double>(health.open_calls())) : "–",
          alive ? FigureText(health.errors_per_minute()) : "–",
          node.version().empty() ? "–" : node.version(),
          alive && health.has_uptime() ? AgeText(ToAbsl(health.uptime())) : "–",
          SourceCell(node.source()),
          node.peer().empty() ? "–" : node.peer(),
          node.epoch().empty() ? "–" : node.epoch(),
          absl::StrJoin(TroubleOf(node), "; ")};
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
  constexpr bool kWide = true;
  Table table({"NODE", "REVISION", "STATE", "SINCE", "CALLS", "OPEN", "ERRORS/MIN", {"VERSION", kWide}, {"UP", kWide},
               {"SOURCE", kWide}, {"PEER", kWide}, {"EPOCH", kWide}, "LAST ERROR"});
  int current = 0;
  int gone = 0;
  for (const v1::NodeStatus& node : response.nodes()) {
    table.AddRow(RowOf(node, session.clock()));
    current += node.state() == v1::NODE_STATE_ACKED;
    gone += node.state() == v1::NODE_STATE_GONE;
  }
  table.Print(session);
  // Those that left in peace run nothing, and are missed by nobody.
  const int all = response.nodes_size() - gone;
  session.out() << "revision " << response.revision() << " · run by " << current << "/" << all
                << (all == 1 ? " data plane" : " data planes") << FiguresAge(response) << "\n";
}

void Show(Session& session, const v1::ListNodesResponse& response) {
  session.Show(response);
  for (const v1::NodeStatus& node : response.nodes()) session.Name(absl::StrCat("node/", node.node_id()));
  PrintNodes(session, response);
}

ExitCode CheckCode(const v1::ListNodesResponse& response) {
  const auto in = [&](v1::NodeState state) {
    return std::any_of(response.nodes().begin(), response.nodes().end(),
                       [&](const v1::NodeStatus& node) { return node.state() == state; });
  };
  if (in(v1::NODE_STATE_NACKED)) return ExitCode::kNodeRefused;
  // Of two with one id, one is refused.
  const bool rivals = std::any_of(response.nodes().begin(), response.nodes().end(),
                                  [](const v1::NodeStatus& node) { return !node.rival_peer().empty(); });
  const bool behind = in(v1::NODE_STATE_PENDING) || in(v1::NODE_STATE_LOST) || in(v1::NODE_STATE_EPOCH_MISMATCH);
  return rivals || behind ? ExitCode::kNotAcked : ExitCode::kOk;
}

ExitCode ShowOnce(Session& session, const StatusOptions& options) {
  v1::ListNodesResponse response;
  if (const ExitCode code = ListNodes(session, response); code != ExitCode::kOk) return code;
  BeginLook(session, options.watch);
  Show(session, response);
  return options.check ? CheckCode(response) : ExitCode::kOk;
}

}  // namespace

ExitCode ListNodes(Session& session, v1::ListNodesResponse& response) {
  const grpc::Status status = session.Call(&v1::Admin::Stub::ListNodes, v1::ListNodesRequest(), &response);
  if (!status.ok()) return session.Fail(status);
  std::sort(response.mutable_nodes()->begin(), response.mutable_nodes()->end(),
            [](const v1::NodeStatus& a, const v1::NodeStatus& b) { return a.node_id() < b.node_id(); });
  return ExitCode::kOk;
}

ExitCode ShowNodes(Session& session, const std::vector<std::string>& ids) {
  v1::ListNodesResponse response;
  if (const ExitCode code = ListNodes(session, response); code != ExitCode::kOk) return code;
  v1::ListNodesResponse chosen;
  chosen.set_revision(response.revision());
  std::vector<std::string> known;
  for (v1::NodeStatus& node : *response.mutable_nodes()) {
    known.push_back(node.node_id());
    const bool wanted = ids.empty() || std::find(ids.begin(), ids.end(), node.node_id()) != ids.end();
    if (wanted) chosen.add_nodes()->Swap(&node);
  }
  Show(session, chosen);
  // As with every kind: one by name is a document, all are a list.
  std::vector<PolicyNode> documents;
  for (const v1::NodeStatus& node : chosen.nodes()) documents.push_back(MessageNode(node));
  if (ids.size() == 1 && documents.size() == 1) {
    session.output().ShowOnly(std::move(documents.front()));
  } else {
    session.output().ShowList(std::move(documents));
  }
  ExitCode code = ExitCode::kOk;
  for (const std::string& id : ids) {
    if (std::find(known.begin(), known.end(), id) != known.end()) continue;
    code = session.Fail(ExitCode::kNotFound,
                        absl::StrCat("data plane ", Shown(id), " is not known", DidYouMean(id, known)));
  }
  return code;
}

void AddStatus(CommandSet& commands) { AddStatusAs(commands, commands.root(), "status"); }

void AddStatusAs(CommandSet& commands, CLI::App& group, const std::string& name) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App& app = commands.Add(group, name, "Show every data plane: the revision it runs, since when, its last error",
                               "sluicectl status\n"
                               "sluicectl status -w\n"
                               "sluicectl status -o wide                  with addresses, versions, epochs\n"
                               "sluicectl status --check || page-somebody\n"
                               "sluicectl status -o json | jq '.nodes[] | select(.state == \"NACKED\")'",
                               [options](Session& session) {
                                 return Watch(session, options->watch, [&] { return ShowOnce(session, *options); });
                               });
  AddWatchOptions(app, options->watch);
  app.add_flag("--check", options->check, "Exit with 7 if a data plane refused, 8 if one is behind, lost or of another epoch, or two have one id");
}

}  // namespace sluice::ctl

// config: what every data plane has in force, asked of itself; `status` tells
// what the control plane knows of it.
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/command_call.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/node_text.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

struct ConfigCommandOptions {
  std::string node;
};

std::vector<Table::Cell> RowOf(const v1::NodeAnswer& answer, const Clock& clock) {
  const v1::ConfigInForce& config = answer.answer().config();
  return {answer.node_id(),
          config.revision() == 0 ? "–" : absl::StrCat(config.revision()),
          SourceCell(config.source()),
          config.has_applied() ? SinceCell(ToAbsl(config.applied()), clock) : "–",
          absl::StrCat(config.routes_size()),
          absl::StrCat(config.endpoints_size()),
          absl::StrCat(config.updates_applied()),
          absl::StrCat(config.updates_refused()),
          config.epoch().empty() ? "–" : config.epoch(),
          config.last_error()};
}

ExitCode Config(Session& session, const ConfigCommandOptions& options) {
  v1::CommandRequest request;
  request.set_node_id(options.node);
  request.mutable_query()->mutable_config();
  v1::CommandResponse response;
  if (const ExitCode code = CallNodes(session, request, response); code != ExitCode::kOk) return code;
  const std::vector<const v1::NodeAnswer*> done = Done(response);
  session.Show(response);
  for (const v1::NodeAnswer* answer : done) session.Name(absl::StrCat("node/", answer->node_id()));
  if (!done.empty()) {
    constexpr bool kWide = true;
    Table table({"NODE", "REVISION", "SOURCE", "SINCE", "ROUTES", "ENDPOINTS", {"APPLIED", kWide},
                 {"REFUSED", kWide}, {"EPOCH", kWide}, "LAST ERROR"});
    for (const v1::NodeAnswer* answer : done) table.AddRow(RowOf(*answer, session.clock()));
    table.Print(session);
  }
  return TellFailures(session, request, response);
}

}  // namespace

void AddConfig(CommandSet& commands) {
  auto options = std::make_shared<ConfigCommandOptions>();
  CLI::App& app = commands.Add("config", "Ask every data plane what it has in force, and where it came from",
                               "sluicectl config\n"
                               "sluicectl config --node edge-1 -o json      with the names of routes and endpoints",
                               [options](Session& session) { return Config(session, *options); });
  app.add_option("--node", options->node, "Only this data plane; left out: all");
}

}  // namespace sluice::ctl

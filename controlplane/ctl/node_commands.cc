// node forget: data planes that will not come back. `status` lists them.
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/commands.h"

namespace sluice::ctl {
namespace {

ExitCode Forget(Session& session, const std::vector<std::string>& names) {
  ExitCode worst = ExitCode::kOk;
  for (const std::string& name : names) {
    v1::ForgetNodeRequest request;
    request.set_node_id(name);
    v1::ForgetNodeResponse response;
    const grpc::Status status = session.Call(&v1::Admin::Stub::ForgetNode, request, &response);
    if (status.ok()) {
      session.out() << name << " forgotten\n";
      continue;
    }
    worst = session.Fail(status);
    if (worst == ExitCode::kUnreachable) return worst;
  }
  return worst;
}

}  // namespace

void AddNode(CommandSet& commands) {
  CLI::App& group = commands.AddGroup("node", "Look after the list of data planes",
                                      "sluicectl node list\n"
                                      "sluicectl node forget edge-7");
  AddStatusAs(commands, group, "list");
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App& forget = commands.Add(group, "forget", "Take data planes that are LOST or GONE off the list",
                                  "sluicectl node forget edge-7\n"
                                  "sluicectl node forget edge-7 edge-8",
                                  [names](Session& session) { return Forget(session, *names); });
  forget.add_option("nodes", *names, "Names of data planes, as status shows them")->required();
}

}  // namespace sluice::ctl

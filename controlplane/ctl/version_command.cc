// version and help: what this program and the control plane are, and how to ask.
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/help_text.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {
namespace {

std::string StoreText(const v1::GetInfoResponse& info) {
  std::string text = info.store().empty() ? "" : absl::StrCat(" · ", info.store());
  if (!info.epoch().empty()) absl::StrAppend(&text, " · epoch ", info.epoch(), ", revision ", info.revision());
  if (!info.parent_epoch().empty()) {
    absl::StrAppend(&text, ", restored from epoch ", info.parent_epoch(), ", revision ", info.parent_revision());
  }
  return text;
}

ExitCode Version(Session& session, const std::string& version, bool client_only) {
  PolicyNode client = PolicyNode::Map();
  client.Add("version", TextNode(version));
  session.Show("client", std::move(client));
  session.out() << "sluicectl      " << version << "\n";
  if (client_only) return ExitCode::kOk;
  v1::GetInfoResponse info;
  const grpc::Status status = session.Call(&v1::Admin::Stub::GetInfo, v1::GetInfoRequest(), &info);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    session.Show("server", PolicyNode());
    session.out() << "control plane  at " << session.server() << " is older than this sluicectl: it does not tell its version\n";
    return ExitCode::kOk;
  }
  if (!status.ok()) return session.Fail(status);
  session.Show("server", MessageNode(info));
  session.out() << "control plane  " << info.version() << " at " << session.server()
                << (info.has_started() ? absl::StrCat(" · up ", AgeText(session.now() - ToAbsl(info.started()))) : "")
                << StoreText(info) << "\n";
  return ExitCode::kOk;
}

// The command that the words name; null: said that there is none.
const CLI::App* Find(const CLI::App& root, const std::vector<std::string>& words, const Session& session) {
  const CLI::App* app = &root;
  for (const std::string& word : words) {
    const CLI::App* below = nullptr;
    std::vector<std::string> names;
    for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
      if (command->check_name(word)) below = command;
      names.push_back(command->get_name());
    }
    if (below == nullptr) {
      session.Fail(ExitCode::kUsage, absl::StrCat("help: ", Shown(word), " is no command", DidYouMean(word, names)));
      return nullptr;
    }
    app = below;
  }
  return app;
}

ExitCode Help(Session& session, const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* app = Find(root, words, session);
  if (app == nullptr) return ExitCode::kUsage;
  const std::string name = absl::StrJoin(words, " ");
  // Its own help() would tell of the command that runs: this one.
  const std::string text = app->get_formatter()->make_help(
      app, absl::StrCat(root.get_name(), name.empty() ? "" : " ", name), CLI::AppFormatMode::Normal);
  session.output().raw() << Wrapped(text, session.width());
  return ExitCode::kOk;
}

}  // namespace

void AddVersion(CommandSet& commands, const std::string& version) {
  auto client_only = std::make_shared<bool>(false);
  CLI::App& app = commands.Add("version", "Show the versions of sluicectl and of the control plane, and its store",
                               "sluicectl version\n"
                               "sluicectl version --client\n"
                               "sluicectl version -o json | jq -r .server.epoch",
                               [client_only, version](Session& session) {
                                 return Version(session, version, *client_only);
                               });
  app.add_flag("--client", *client_only, "Ask no control plane");
}

void AddHelp(CommandSet& commands) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* root = &commands.root();
  CLI::App& app = commands.Add("help", "Explain a command, as COMMAND --help does",
                               "sluicectl help\n"
                               "sluicectl help breaker trip",
                               [root, words](Session& session) { return Help(session, *root, *words); });
  commands.NeedsNoServer(app);
  app.add_option("command", *words, "COMMAND…; left out: all of them");
}

}  // namespace sluice::ctl

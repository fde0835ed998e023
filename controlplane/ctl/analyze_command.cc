// analyze: what is wrong, dead, unused or never met in the policies in force,
// or in files, and what the data planes would refuse of them.
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/analysis.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/node_findings.h"
#include "controlplane/ctl/policy_input.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"
#include "proto/policy/validator.h"

namespace sluice::ctl {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> files;
  bool no_nodes = false;
};

using Resources = std::vector<const v1::Resource*>;

grpc::Status ListAll(Session& session, std::vector<v1::Resource>& resources) {
  v1::ListRequest request;
  do {
    v1::ListResponse page;
    const grpc::Status status = session.Call(&v1::Admin::Stub::List, request, &page);
    if (!status.ok()) return status;
    resources.insert(resources.end(), page.resources().begin(), page.resources().end());
    request.set_revision(page.revision());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

// What data planes would say of policies that may be in force already.
grpc::Status AskNodes(Session& session, const Resources& resources, v1::ApplyResponse& response) {
  v1::ApplyRequest request;
  for (const v1::Resource* resource : resources) *request.add_resources() = *resource;
  request.set_validate_only(true);
  request.set_ask_nodes(true);
  // They were changed by nobody, or it does not matter here.
  request.set_force(true);
  return session.Change(&v1::Admin::Stub::Apply, request, &response);
}

PolicyNode FindingNode(const v1::Violation& violation, const std::string& node) {
  PolicyNode map = PolicyNode::Map();
  map.Add("code", TextNode(violation.code()));
  map.Add("resource", TextNode(ResourceId(violation.resource().kind(), violation.resource().name())));
  map.Add("path", TextNode(violation.path()));
  map.Add("message", TextNode(MessageOf(violation)));
  if (!node.empty()) map.Add("node", TextNode(node));
  return map;
}

class Report {
 public:
  explicit Report(Session& session) : session_(session) {}

  void Add(const v1::Violation& violation, const std::string& node) {
    session_.out() << (node.empty() ? "" : absl::StrCat(node, ": ")) << FindingText(violation) << "\n";
    findings_.items.push_back(FindingNode(violation, node));
    session_.Name(ResourceId(violation.resource().kind(), violation.resource().name()));
  }

  ExitCode Finish(size_t resources) {
    const size_t count = findings_.items.size();
    const std::string of = absl::StrCat(resources, resources == 1 ? " resource" : " resources");
    if (count == 0) {
      session_.out() << of << ", nothing to remark\n";
    } else {
      session_.out() << count << (count == 1 ? " finding in " : " findings in ") << of << "\n";
    }
    session_.Show("findings", std::move(findings_));
    return count == 0 ? ExitCode::kOk : ExitCode::kFindings;
  }

 private:
  Session& session_;
  PolicyNode findings_ = PolicyNode::List();
};

ExitCode AnalyzeSet(Session& session, const Resources& resources, bool ask_nodes) {
  Report report(session);
  const std::vector<v1::Violation> violations = ValidatePolicies(resources);
  for (const v1::Violation& violation : violations) report.Add(violation, "");
  for (const v1::Violation& violation : AnalyzePolicies(resources)) report.Add(violation, "");
  // What is not valid no data plane is asked about.
  if (!ask_nodes || !violations.empty() || resources.empty()) return report.Finish(resources.size());
  v1::ApplyResponse response;
  const grpc::Status status = AskNodes(session, resources, response);
  if (!status.ok()) {
    report.Finish(resources.size());
    return session.Fail(status);
  }
  ExitCode silent = ExitCode::kOk;
  for (const v1::NodeFindings& node : response.nodes()) {
    for (const v1::Violation& violation : node.violations()) report.Add(violation, node.node_id());
    if (node.code() == 0) continue;
    session.err() << node.node_id() << " could not be asked: " << node.message() << "\n";
    silent = ExitCode::kNotAcked;
  }
  const ExitCode code = report.Finish(resources.size());
  return code == ExitCode::kOk ? silent : code;
}

ExitCode Analyze(Session& session, const AnalyzeOptions& options) {
  if (!options.files.empty()) {
    PolicyInput input = PolicyInput::Read(options.files);
    if (!input.ok()) {
      input.PrintErrors(session.output());
      return ExitCode::kInvalidPolicy;
    }
    return AnalyzeSet(session, input.resources(), false);
  }
  if (const ExitCode code = session.Open(); code != ExitCode::kOk) return code;
  std::vector<v1::Resource> resources;
  if (const grpc::Status status = ListAll(session, resources); !status.ok()) return session.Fail(status);
  Resources all;
  for (const v1::Resource& resource : resources) all.push_back(&resource);
  return AnalyzeSet(session, all, !options.no_nodes);
}

}  // namespace

void AddAnalyze(CommandSet& commands) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App& app = commands.Add("analyze",
                               "Look for what is legal and most likely not meant: dead routes and targets, unused "
                               "resources, limits that are never met, secrets that data planes lack",
                               "sluicectl analyze                                   what is in force\n"
                               "sluicectl analyze -f policies/ || exit 1            files, without a control plane\n"
                               "sluicectl analyze -o json | jq -r '.findings[].code'",
                               [options](Session& session) { return Analyze(session, *options); });
  commands.NeedsNoServer(app);
  app.add_option("-f,--file", options->files, "Files or folders as one whole set, in place of what is in force");
  app.add_flag("--no-nodes", options->no_nodes, "Do not ask the data planes");
}

}  // namespace sluice::ctl

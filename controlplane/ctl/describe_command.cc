// describe: one resource or data plane with all that is known of it.
#include <algorithm>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/message_node.h"
#include "controlplane/ctl/node_text.h"
#include "controlplane/ctl/references.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_tree.h"
#include "proto/policy/wording.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

constexpr int kRevisionsShown = 5;
constexpr int kChangesShown = 3;

// "Labels:     team=search", aligned by what stands before.
void Line(Session& session, const std::string& title, const std::string& text) {
  constexpr size_t kTitleWidth = 12;
  session.out() << title << ":" << std::string(kTitleWidth - std::min(kTitleWidth - 1, title.size() + 1), ' ')
                << SafeLine(text.empty() ? "–" : text) << "\n";
}

std::string LabelsText(const v1::Meta& meta) {
  const std::map<std::string, std::string> sorted(meta.labels().begin(), meta.labels().end());
  return absl::StrJoin(sorted, ", ", absl::PairFormatter("="));
}

std::string ChangedText(const v1::Revision& revision, const Clock& clock) {
  std::string text = absl::StrCat(revision.revision(), ", ", AgoText(ToAbsl(revision.created()), clock));
  if (!revision.author().empty()) absl::StrAppend(&text, " by ", revision.author());
  if (!revision.reason().empty()) absl::StrAppend(&text, ": ", revision.reason());
  return text;
}

void PrintHistory(Session& session, const v1::HistoryResponse& history) {
  if (history.revisions().empty()) return;
  session.out() << "\n";
  Table table({"REVISION", "WHEN", "AUTHOR", "CHANGES", "REASON"});
  for (const v1::Revision& revision : history.revisions()) {
    table.AddRow({absl::StrCat(revision.revision()), AgoCell(ToAbsl(revision.created()), session.clock()),
                  revision.author(), Summary(revision.changes(), kChangesShown), revision.reason()});
  }
  table.Print(session);
}

// The fields of the policy itself, two blanks in.
void PrintSpec(Session& session, const v1::Resource& resource) {
  const PolicyNode spec = MessageToNode(SpecOf(resource));
  session.out() << "Policy:\n";
  const bool nothing = spec.kind == PolicyNode::Kind::kMap && spec.items.empty();
  const std::string yaml = nothing ? "(its defaults)\n" : YamlText(spec);
  for (size_t from = 0; from < yaml.size();) {
    const size_t end = yaml.find('\n', from);
    session.out() << "  " << SafeText(yaml.substr(from, end - from), EscapeForm::kYaml) << "\n";
    from = end + 1;
  }
}

PolicyNode TextList(const std::vector<std::string>& texts) {
  PolicyNode list = PolicyNode::List();
  for (const std::string& text : texts) list.items.push_back(TextNode(text));
  return list;
}

ExitCode DescribeResource(Session& session, const v1::ResourceRef& ref, std::vector<PolicyNode>& documents) {
  v1::GetRequest request;
  *request.mutable_resource() = ref;
  v1::GetResponse response;
  grpc::Status status = session.Call(&v1::Admin::Stub::Get, request, &response);
  if (!status.ok()) return session.Fail(status);
  v1::HistoryRequest history_request;
  *history_request.mutable_resource() = ref;
  history_request.set_limit(kRevisionsShown);
  v1::HistoryResponse history;
  status = session.Call(&v1::Admin::Stub::History, history_request, &history);
  if (!status.ok()) return session.Fail(status);
  std::vector<v1::Resource> all;
  status = ListAll(session, v1::ListRequest(), all);
  if (!status.ok()) return session.Fail(status);

  const v1::Resource& resource = response.resource();
  const std::string id = ResourceId(resource);
  const std::vector<std::string> uses = ReferencesOf(resource);
  const std::vector<std::string> users = ReferrersOf(id, all);
  session.Name(id);
  PolicyNode document = PolicyNode::Map();
  document.Add("resource", ResourceToNode(resource, {.bookkeeping = true}));
  document.Add("uses", TextList(uses));
  document.Add("used_by", TextList(users));
  PolicyNode revisions = std::move(MessageNode(history).items.front());
  document.Add("history", std::move(revisions));
  documents.push_back(std::move(document));

  Line(session, "Resource", id);
  Line(session, "Labels", LabelsText(resource.meta()));
  Line(session, "Changed", history.revisions().empty() ? absl::StrCat(resource.meta().revision())
                                                       : ChangedText(history.revisions(0), session.clock()));
  Line(session, "Etag", resource.meta().etag());
  Line(session, "Uses", absl::StrJoin(uses, ", "));
  Line(session, "Used by", absl::StrJoin(users, ", "));
  PrintSpec(session, resource);
  PrintHistory(session, history);
  return ExitCode::kOk;
}

void PrintNode(Session& session, const v1::NodeStatus& node) {
  Line(session, "Node", node.node_id());
  session.out() << "State:      ";
  const Table::Cell state = NodeStateCell(node.state());
  session.out() << Paint(state.text, state.color, session.color())
                << (node.has_since() ? absl::StrCat(" for ", AgeText(session.now() - ToAbsl(node.since())), " (since ",
                                                    AtText(ToAbsl(node.since()), session.clock()), ")")
                                     : "")
                << "\n";
  Line(session, "Revision", node.acked_revision() == 0 ? "" : absl::StrCat(node.acked_revision()));
  Line(session, "Source", SourceCell(node.source()).text);
  Line(session, "Epoch", node.epoch());
  Line(session, "Version", node.version());
  Line(session, "Peer", node.peer());
  if (ShowsFigures(node)) {
    const v1::NodeHealth& health = node.health();
    Line(session, "Up", health.has_uptime() ? SpanText(ToAbsl(health.uptime())) : "");
    Line(session, "Calls", absl::StrCat(FigureText(health.calls_per_second()), "/s, ", health.open_calls(), " open, ",
                                        FigureText(health.errors_per_minute()), " errors/min",
                                        node.has_health_age()
                                            ? absl::StrCat(" (", SpanText(ToAbsl(node.health_age())), " old)")
                                            : ""));
  }
  const std::vector<std::string> trouble = TroubleOf(node);
  Line(session, "Trouble", trouble.empty() ? "none" : trouble.front());
  for (size_t i = 1; i < trouble.size(); ++i) session.out() << "            " << SafeLine(trouble[i]) << "\n";
  for (const v1::Violation& violation : node.violations()) {
    session.out() << "  refused: " << SafeLine(ViolationText(violation)) << "\n";
  }
}

ExitCode DescribeNodes(Session& session, const std::vector<std::string>& ids, std::vector<PolicyNode>& documents) {
  v1::ListNodesResponse nodes;
  if (const ExitCode code = ListNodes(session, nodes); code != ExitCode::kOk) return code;
  ExitCode code = ExitCode::kOk;
  std::vector<std::string> known;
  for (const v1::NodeStatus& node : nodes.nodes()) known.push_back(node.node_id());
  for (const std::string& id : ids.empty() ? known : ids) {
    const auto found = std::find(known.begin(), known.end(), id);
    if (found == known.end()) {
      code = session.Fail(ExitCode::kNotFound,
                          absl::StrCat("data plane ", Shown(id), " is not known", DidYouMean(id, known)));
      continue;
    }
    const v1::NodeStatus& node = nodes.nodes(static_cast<int>(found - known.begin()));
    session.Name(absl::StrCat("node/", id));
    if (!documents.empty()) session.out() << "\n";
    documents.push_back(MessageNode(node));
    PrintNode(session, node);
  }
  return code;
}

ExitCode Describe(Session& session, const std::vector<std::string>& words) {
  std::vector<PolicyNode> documents;
  ExitCode code = ExitCode::kOk;
  if (const std::optional<std::vector<std::string>> nodes = NodesIn(words)) {
    code = DescribeNodes(session, *nodes, documents);
  } else {
    const std::optional<std::vector<v1::ResourceRef>> refs = ParseRefs(words, session);
    if (!refs.has_value()) return ExitCode::kUsage;
    for (const v1::ResourceRef& ref : *refs) {
      if (!documents.empty()) session.out() << "\n";
      const ExitCode one = DescribeResource(session, ref, documents);
      if (one != ExitCode::kOk) code = one;
      if (one != ExitCode::kOk && one != ExitCode::kNotFound) break;
    }
  }
  if (documents.size() == 1) {
    session.output().ShowOnly(std::move(documents.front()));
  } else if (!documents.empty()) {
    session.output().ShowList(std::move(documents));
  }
  return code;
}

}  // namespace

void AddDescribe(CommandSet& commands) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App& app = commands.Add("describe", "Show all that is known of a resource or a data plane",
                               "sluicectl describe route/chat          with what it uses, what uses it, who changed it\n"
                               "sluicectl describe rp default\n"
                               "sluicectl describe node/edge-1\n"
                               "sluicectl describe nodes",
                               [words](Session& session) { return Describe(session, *words); });
  app.add_option("resources", *words, "KIND/NAME… or KIND NAME…; node/NAME for a data plane")->required();
}

}  // namespace sluice::ctl

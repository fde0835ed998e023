// get: one, several or all resources. `list` is what it was called before.
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/resource_summary.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_tree.h"
#include "proto/policy/wording.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

// The most revisions whose time is looked up for the AGE column.
constexpr int kTimesLookedUp = 1000;

struct GetOptions {
  std::vector<std::string> words;
  std::vector<std::string> labels;
  uint64_t revision = 0;
  bool no_etag = false;
};

std::string LabelsText(const v1::Resource& resource) {
  std::map<std::string, std::string> sorted(resource.meta().labels().begin(), resource.meta().labels().end());
  return absl::StrJoin(sorted, ",", absl::PairFormatter("="));
}

// Resources know the revision that changed them, the history when that was.
// Without it the column stays empty: it is no reason to show nothing.
std::map<uint64_t, absl::Time> RevisionTimes(Session& session) {
  v1::HistoryRequest request;
  request.set_limit(kTimesLookedUp);
  v1::HistoryResponse response;
  std::map<uint64_t, absl::Time> times;
  if (!session.Call(&v1::Admin::Stub::History, request, &response).ok()) return times;
  for (const v1::Revision& revision : response.revisions()) times[revision.revision()] = ToAbsl(revision.created());
  return times;
}

void PrintTable(Session& session, const std::vector<v1::Resource>& resources) {
  const std::map<uint64_t, absl::Time> times = RevisionTimes(session);
  Table table({"RESOURCE", "REVISION", "CHANGED", "WHAT", {"ETAG", true}, "LABELS"});
  for (const v1::Resource& resource : resources) {
    const auto time = times.find(resource.meta().revision());
    table.AddRow({ResourceId(resource), absl::StrCat(resource.meta().revision()),
                  time == times.end() ? "–" : AgoCell(time->second, session.clock()), SummaryOf(resource),
                  resource.meta().etag(), LabelsText(resource)});
  }
  table.Print(session);
}

// Nothing: said what is wrong.
std::optional<v1::ListRequest> ListRequestOf(const GetOptions& options, const Session& session) {
  v1::ListRequest request;
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      session.Fail(ExitCode::kUsage, absl::StrCat("-l: ", Shown(label), " is no condition; write label=value"));
      return std::nullopt;
    }
    (*request.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  request.set_revision(options.revision);
  return request;
}

// What one reference stands for: a resource, or all of a kind.
grpc::Status Fetch(Session& session, const v1::ResourceRef& ref, v1::ListRequest list,
                   std::vector<v1::Resource>& resources) {
  if (ref.name().empty()) {
    list.set_kind(ref.kind());
    return ListAll(session, list, resources);
  }
  v1::GetRequest request;
  *request.mutable_resource() = ref;
  request.set_revision(list.revision());
  v1::GetResponse response;
  const grpc::Status status = session.Call(&v1::Admin::Stub::Get, request, &response);
  if (status.ok()) resources.push_back(response.resource());
  return status;
}

// One that was asked for by name is shown whole, as apply reads it.
void Print(Session& session, const std::vector<v1::Resource>& resources, bool one_by_name, bool bookkeeping) {
  std::vector<PolicyNode> documents;
  for (const v1::Resource& resource : resources) {
    documents.push_back(ResourceToNode(resource, {.bookkeeping = bookkeeping}));
    session.Name(ResourceId(resource));
  }
  if (!session.output().for_people()) {
    one_by_name ? session.output().ShowOnly(documents.front()) : session.output().ShowList(std::move(documents));
  } else if (one_by_name && !session.output().form_given()) {
    session.out() << SafeText(YamlText(documents.front()), EscapeForm::kYaml);
  } else if (resources.empty()) {
    session.err() << "nothing found\n";
  } else {
    PrintTable(session, resources);
  }
}

ExitCode Get(Session& session, const GetOptions& options) {
  if (const std::optional<std::vector<std::string>> nodes = NodesIn(options.words)) return ShowNodes(session, *nodes);
  const bool everything = options.words.empty() || options.words == std::vector<std::string>{"all"};
  std::optional<std::vector<v1::ResourceRef>> refs;
  refs = everything ? std::vector<v1::ResourceRef>(1) : ParseRefs(options.words, session, true);
  const std::optional<v1::ListRequest> list = refs.has_value() ? ListRequestOf(options, session) : std::nullopt;
  if (!list.has_value()) return ExitCode::kUsage;
  const bool by_name = !refs->front().name().empty();
  if (by_name && !options.labels.empty()) {
    return session.Fail(ExitCode::kUsage, "-l chooses among all of a kind; a resource by name needs none");
  }
  std::vector<v1::Resource> resources;
  ExitCode code = ExitCode::kOk;
  for (const v1::ResourceRef& ref : *refs) {
    const grpc::Status status = Fetch(session, ref, *list, resources);
    if (status.ok()) continue;
    code = session.Fail(status);
    // What is there is shown beside what is not.
    if (code != ExitCode::kNotFound || !by_name) return code;
  }
  if (code == ExitCode::kOk || !resources.empty()) {
    // The etag of an old revision could only be refused.
    Print(session, resources, by_name && refs->size() == 1, !options.no_etag && options.revision == 0);
  }
  return code;
}

}  // namespace

grpc::Status ListAll(Session& session, v1::ListRequest request, std::vector<v1::Resource>& resources) {
  do {
    v1::ListResponse page;
    const grpc::Status status = session.Call(&v1::Admin::Stub::List, request, &page);
    if (!status.ok()) return status;
    resources.insert(resources.end(), page.resources().begin(), page.resources().end());
    // Later pages from the same revision, whatever is changed meanwhile.
    request.set_revision(page.revision());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return grpc::Status::OK;
}

void AddGet(CommandSet& commands) {
  auto options = std::make_shared<GetOptions>();
  CLI::App& app = commands.Add("get", "Show resources: all, those of a kind, or some by name",
                               "sluicectl get                                 everything; sluicectl list is the same\n"
                               "sluicectl get routes -l team=search -o wide\n"
                               "sluicectl get route/chat                      one of them whole, as apply reads it\n"
                               "sluicectl get route chat -o json | jq .targets\n"
                               "sluicectl get route/chat > chat.yaml          edit it, then apply -f chat.yaml\n"
                               "sluicectl get nodes                           the data planes, as status shows them\n"
                               "sluicectl get -o yaml --no-etag > all.yaml    for another control plane\n"
                               "sluicectl get retrypolicy/default --revision 7",
                               [options](Session& session) { return Get(session, *options); });
  app.alias("list");
  app.add_option("resources", options->words,
                 absl::StrCat("KIND, KIND/NAME… or KIND NAME…; left out: everything. Kinds: ", KindsHelp()));
  app.add_option("-l,--label", options->labels, "Only with this label=value; may be repeated");
  app.add_option("--revision", options->revision, "As of this revision; left out: the newest");
  app.add_flag("--no-etag", options->no_etag,
               "Without etag and revision, by which apply refuses to overwrite what others changed in between");
  // What is the default now.
  app.add_flag("--with-etag")->group("");
}

}  // namespace sluice::ctl

// get and list.
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/resource_summary.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/yaml_printer.h"

namespace sluice::ctl {
namespace {

// The most revisions whose time is looked up for the AGE column.
constexpr int kTimesLookedUp = 1000;

struct GetOptions {
  std::vector<std::string> ref;
  std::string output = "yaml";
  uint64_t revision = 0;
  bool with_etag = false;
};

struct ListOptions {
  std::string kind;
  std::vector<std::string> labels;
  std::string output = "table";
  uint64_t revision = 0;
  bool with_etag = false;
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
  Table table({"RESOURCE", "REVISION", "CHANGED", "WHAT", "LABELS"});
  for (const v1::Resource& resource : resources) {
    const auto time = times.find(resource.meta().revision());
    const std::string age = time == times.end() ? "–" : absl::StrCat(AgeText(session.now() - time->second), " ago");
    table.AddRow({ResourceId(resource), absl::StrCat(resource.meta().revision()), age, SummaryOf(resource),
                  LabelsText(resource)});
  }
  table.Print(session.out(), session.color());
}

void PrintYaml(const std::vector<v1::Resource>& resources, bool with_etag, std::ostream& out) {
  bool first = true;
  for (const v1::Resource& resource : resources) {
    if (!first) out << "---\n";
    first = false;
    const std::string text = PrintPolicyYaml(resource, {.bookkeeping = with_etag});
    out << text << (text.empty() || text.back() != '\n' ? "\n" : "");
  }
}

void PrintJson(const std::vector<v1::Resource>& resources, bool with_etag, std::ostream& out) {
  out << "[";
  for (size_t i = 0; i < resources.size(); ++i) {
    out << (i == 0 ? "\n" : ",\n") << PrintPolicyJson(resources[i], {.bookkeeping = with_etag});
  }
  out << (resources.empty() ? "]\n" : "\n]\n");
}

ExitCode Get(Session& session, const GetOptions& options) {
  const std::optional<v1::ResourceRef> ref = ParseRef(options.ref, session);
  if (!ref.has_value()) return ExitCode::kUsage;
  v1::GetRequest request;
  *request.mutable_resource() = *ref;
  request.set_revision(options.revision);
  v1::GetResponse response;
  const grpc::Status status = session.Call(&v1::Admin::Stub::Get, request, &response);
  if (!status.ok()) return session.Fail(status);
  if (options.output == "table") {
    PrintTable(session, {response.resource()});
  } else if (options.output == "json") {
    session.out() << PrintPolicyJson(response.resource(), {.bookkeeping = options.with_etag});
  } else {
    PrintYaml({response.resource()}, options.with_etag, session.out());
  }
  return ExitCode::kOk;
}

// Nothing: said what is wrong.
std::optional<v1::ListRequest> ListRequestOf(const ListOptions& options, const Session& session) {
  v1::ListRequest request;
  if (!options.kind.empty()) {
    const std::optional<std::string> kind = ParseKind(options.kind, session);
    if (!kind.has_value()) return std::nullopt;
    request.set_kind(*kind);
  }
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      session.Fail(ExitCode::kUsage, absl::StrCat("-l: \"", label, "\" is no condition; write label=value"));
      return std::nullopt;
    }
    (*request.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  request.set_revision(options.revision);
  return request;
}

ExitCode List(Session& session, const ListOptions& options) {
  std::optional<v1::ListRequest> request = ListRequestOf(options, session);
  if (!request.has_value()) return ExitCode::kUsage;
  std::vector<v1::Resource> resources;
  do {
    v1::ListResponse page;
    const grpc::Status status = session.Call(&v1::Admin::Stub::List, *request, &page);
    if (!status.ok()) return session.Fail(status);
    resources.insert(resources.end(), page.resources().begin(), page.resources().end());
    // Later pages from the same revision, whatever is changed meanwhile.
    request->set_revision(page.revision());
    request->set_page_token(page.next_page_token());
  } while (!request->page_token().empty());
  if (options.output == "json") {
    PrintJson(resources, options.with_etag, session.out());
  } else if (options.output == "yaml") {
    PrintYaml(resources, options.with_etag, session.out());
  } else if (options.output == "name") {
    for (const v1::Resource& resource : resources) session.out() << ResourceId(resource) << "\n";
  } else if (resources.empty()) {
    session.err() << "nothing found\n";
  } else {
    PrintTable(session, resources);
  }
  return ExitCode::kOk;
}

}  // namespace

void AddGet(CommandSet& commands) {
  auto options = std::make_shared<GetOptions>();
  CLI::App& app = commands.Add("get", "Show one resource",
                               "sluicectl get route/chat\n"
                               "sluicectl get route chat -o json | jq .targets\n"
                               "sluicectl get retrypolicy/default --revision 7\n"
                               "sluicectl get route/chat > chat.yaml    edit it, then apply -f chat.yaml",
                               [options](Session& session) { return Get(session, *options); });
  app.add_option("resource", options->ref, "KIND/NAME, or KIND NAME")->required()->expected(1, 2);
  app.add_option("-o,--output", options->output, "Form")->check(CLI::IsMember({"table", "json", "yaml"}))->capture_default_str();
  app.add_option("--revision", options->revision, "As of this revision; left out: the newest");
  app.add_flag("--with-etag", options->with_etag, "With etag and revision: applied again, a change by others in between is refused");
}

void AddList(CommandSet& commands) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& app = commands.Add("list", "List resources",
                               "sluicectl list\n"
                               "sluicectl list upstream -l team=search\n"
                               "sluicectl list -o yaml > backup.yaml\n"
                               "sluicectl list route -o name",
                               [options](Session& session) { return List(session, *options); });
  app.add_option("kind", options->kind, "Only this kind");
  app.add_option("-l,--label", options->labels, "Only with this label=value; may be repeated");
  app.add_option("-o,--output", options->output, "Form")
      ->check(CLI::IsMember({"table", "json", "yaml", "name"}))->capture_default_str();
  app.add_option("--revision", options->revision, "As of this revision; left out: the newest");
  app.add_flag("--with-etag", options->with_etag, "With etag and revision (json, yaml)");
}

}  // namespace sluice::ctl

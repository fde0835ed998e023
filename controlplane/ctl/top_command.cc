// top: what every endpoint does at the moment, summed up over the data planes.
#include <algorithm>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/command_call.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/standing_text.h"
#include "controlplane/ctl/table.h"
#include "controlplane/ctl/watch.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

struct TopOptions {
  std::string target;
  std::string node;
  WatchOptions watch;
};

// One endpoint over all nodes.
struct Sum {
  double attempts_per_second = 0;
  double retries_per_second = 0;
  uint64_t attempts = 0;
  uint64_t errors = 0;
  int64_t in_flight = 0;
  std::map<absl::Duration, uint64_t> first_token;
  // The worst one, how many are in it, since when the first of them (a
  // breaker's state) or until when the last (a hold).
  Standing standing;
  int in_state = 0;
  int nodes = 0;
  absl::Duration age;

  void Add(const v1::EndpointFigures& figures, absl::Duration window) {
    const double seconds = std::max(0.001, absl::ToDoubleSeconds(window));
    attempts_per_second += static_cast<double>(figures.attempts()) / seconds;
    retries_per_second += static_cast<double>(figures.retries()) / seconds;
    attempts += figures.attempts();
    errors += figures.errors();
    in_flight += figures.in_flight();
    for (const v1::FirstTokenBucket& bucket : figures.first_token()) {
      first_token[ToAbsl(bucket.within())] += bucket.attempts();
    }
    AddStanding(StandingOf(figures.breaker(), figures.holds()), ToAbsl(figures.breaker_age()));
  }

  // `other` points into the response, which lives as long as this.
  void AddStanding(const Standing& other, absl::Duration breaker_age) {
    ++nodes;
    const bool first = nodes == 1;
    if (!first && other.badness < standing.badness) return;
    if (first || other.badness > standing.badness) {
      standing = other;
      in_state = 0;
      age = absl::ZeroDuration();
    }
    ++in_state;
    age = std::max(age, breaker_age);
    // Without a time nobody can tell when it ends: later than any.
    if (other.hold == nullptr || !standing.hold->has_until()) return;
    if (!other.hold->has_until() || ToAbsl(other.hold->until()) > ToAbsl(standing.hold->until())) standing.hold = other.hold;
  }
};

// Nearest rank; the bucket's upper bound.
absl::Duration Percentile(const std::map<absl::Duration, uint64_t>& buckets, double share) {
  uint64_t all = 0;
  for (const auto& [within, count] : buckets) all += count;
  uint64_t seen = 0;
  for (const auto& [within, count] : buckets) {
    seen += count;
    if (static_cast<double>(seen) >= share * static_cast<double>(all)) return within;
  }
  return absl::ZeroDuration();
}

// "310ms", "1.2s", "41s".
std::string LatencyText(absl::Duration latency) {
  const double seconds = absl::ToDoubleSeconds(latency);
  if (seconds < 0.9995) return absl::StrFormat("%.0fms", seconds * 1000);
  return seconds < 9.95 ? absl::StrFormat("%.1fs", seconds) : absl::StrFormat("%.0fs", seconds);
}

Table::Cell StateCell(const Sum& sum, const Clock& clock) {
  const Standing& standing = sum.standing;
  std::string text = standing.name;
  if (standing.hold == nullptr) {
    if (standing.badness > 0) absl::StrAppend(&text, " ", AgeText(sum.age));
  } else if (standing.hold->has_until()) {
    absl::StrAppend(&text, " until ", HoldUntilText(*standing.hold, clock));
  }
  if (sum.in_state < sum.nodes) absl::StrAppend(&text, " on ", sum.in_state, "/", sum.nodes);
  return {text, standing.color};
}

std::vector<Table::Cell> RowOf(const std::string& name, const Sum& sum, const Clock& clock) {
  const bool any = sum.attempts > 0;
  const double percent = any ? 100.0 * static_cast<double>(sum.errors) / static_cast<double>(sum.attempts) : 0;
  return {name,
          StateCell(sum, clock),
          FigureText(sum.attempts_per_second),
          any ? FigureText(percent) : "–",
          sum.first_token.empty() ? "–"
                                  : absl::StrCat(LatencyText(Percentile(sum.first_token, 0.5)), "/",
                                                 LatencyText(Percentile(sum.first_token, 0.95))),
          FigureText(static_cast<double>(sum.in_flight)),
          FigureText(sum.retries_per_second),
          absl::StrCat(sum.attempts),
          absl::StrCat(sum.errors),
          absl::StrCat(sum.nodes)};
}

void PrintTop(Session& session, const v1::CommandResponse& response) {
  std::map<std::pair<std::string, std::string>, Sum> sums;
  absl::Duration window;
  const std::vector<const v1::NodeAnswer*> done = Done(response);
  for (const v1::NodeAnswer* answer : done) {
    const v1::LiveFigures& live = answer->answer().live();
    window = std::max(window, ToAbsl(live.window()));
    for (const v1::EndpointFigures& figures : live.endpoints()) {
      sums[{figures.upstream(), figures.endpoint()}].Add(figures, ToAbsl(live.window()));
    }
  }
  if (done.empty()) return;
  if (sums.empty()) {
    session.err() << "no upstream is in force\n";
    return;
  }
  Table table({"UPSTREAM/ENDPOINT", "STATE", "REQ/S", "ERR%", "TTFT p50/p95", "IN FLIGHT", "RETRIES/S", {"ATTEMPTS", true},
               {"ERRORS", true}, {"NODES", true}});
  for (const auto& [name, sum] : sums) session.Name(absl::StrCat(name.first, "/", name.second));
  for (const auto& [name, sum] : sums) table.AddRow(RowOf(absl::StrCat(name.first, "/", name.second), sum, session.clock()));
  table.Print(session);
  session.out() << Paint(absl::StrCat(done.size(), done.size() == 1 ? " data plane" : " data planes", " · the last ",
                                      SpanText(window)),
                         Color::kDim, session.color())
                << "\n";
}

ExitCode Look(Session& session, const TopOptions& options) {
  v1::CommandRequest request;
  request.set_node_id(options.node);
  request.mutable_query()->mutable_live()->set_target(options.target);
  v1::CommandResponse response;
  if (const ExitCode code = CallNodes(session, request, response); code != ExitCode::kOk) return code;
  BeginLook(session, options.watch);
  session.Show(response);
  PrintTop(session, response);
  return TellFailures(session, request, response);
}

}  // namespace

void AddTop(CommandSet& commands) {
  auto options = std::make_shared<TopOptions>();
  CLI::App& app = commands.Add("top", "Show what every endpoint does at the moment, over all data planes",
                               "sluicectl top\n"
                               "sluicectl top openai --watch\n"
                               "sluicectl top --node edge-1",
                               [options](Session& session) {
                                 return Watch(session, options->watch, [&] { return Look(session, *options); });
                               });
  app.add_option("target", options->target, "Only this UPSTREAM, or UPSTREAM/ENDPOINT");
  app.add_option("--node", options->node, "Only this data plane; left out: all, summed up");
  AddWatchOptions(app, options->watch);
}

}  // namespace sluice::ctl

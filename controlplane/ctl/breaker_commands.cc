// breaker: circuit breakers of all data planes, seen and operated.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/command_call.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/standing_text.h"
#include "controlplane/ctl/table.h"
#include "controlplane/ctl/watch.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

struct BreakerOptions {
  std::string target;
  std::string node;
  std::string lasting;
  WatchOptions watch;
};

// One breaker of one node.
struct Seen {
  const std::string* node;
  const v1::BreakerStatus* breaker;
};

// By upstream, endpoint, node: what is to be compared stands together.
std::vector<Seen> Breakers(const v1::CommandResponse& response) {
  std::vector<Seen> all;
  for (const v1::NodeAnswer* answer : Done(response)) {
    for (const v1::BreakerStatus& breaker : answer->answer().breakers().breakers()) {
      all.push_back({&answer->node_id(), &breaker});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Seen& a, const Seen& b) {
    return std::tie(a.breaker->upstream(), a.breaker->endpoint()) <
           std::tie(b.breaker->upstream(), b.breaker->endpoint());
  });
  return all;
}

// How old by the node's clock, since when by ours.
Table::Cell AgeCell(const v1::BreakerStatus& breaker, const Clock& clock) {
  Table::Cell cell = AgeText(ToAbsl(breaker.age()));
  if (!breaker.has_since()) return cell;
  return std::move(cell).With(absl::StrCat(" (", AtText(ToAbsl(breaker.since()), clock), ")"));
}

std::vector<Table::Cell> RowOf(const Seen& seen, const Clock& clock) {
  const v1::BreakerStatus& breaker = *seen.breaker;
  const v1::BreakerWindow& window = breaker.window();
  const bool counted = window.calls() > 0;
  const Standing standing = StandingOf(breaker.state(), breaker.holds());
  const std::string until =
      standing.hold == nullptr ? OpenUntilText(breaker, clock) : HoldUntilText(*standing.hold, clock);
  return {TargetOf(breaker),
          *seen.node,
          {standing.name, standing.color},
          breaker.has_age() && standing.hold == nullptr ? AgeCell(breaker, clock) : "–",
          counted ? PercentText(window.failure_percent()) : "–",
          counted ? PercentText(window.slow_percent()) : "–",
          absl::StrCat(window.calls()),
          absl::StrCat(breaker.opened_total()),
          absl::StrCat(breaker.refused_total()),
          until.empty() ? "–" : until,
          WhyText(breaker, clock)};
}

void PrintTable(Session& session, const std::vector<Seen>& all) {
  constexpr bool kWide = true;
  Table table({"UPSTREAM/ENDPOINT", "NODE", "STATE", "SINCE", "FAILED", "SLOW", "CALLS", {"OPENED", kWide},
               {"HELD BACK", kWide}, "UNTIL", "WHY"});
  for (const Seen& seen : all) table.AddRow(RowOf(seen, session.clock()));
  table.Print(session);
}

void Name(Session& session, const std::vector<Seen>& all) {
  std::set<std::string> names;
  for (const Seen& seen : all) names.insert(TargetOf(*seen.breaker));
  for (const std::string& name : names) session.Name(name);
}

v1::CommandRequest QueryOf(const BreakerOptions& options) {
  v1::CommandRequest request;
  request.set_node_id(options.node);
  request.mutable_query()->mutable_breakers()->set_target(options.target);
  return request;
}

ExitCode List(Session& session, const BreakerOptions& options) {
  const v1::CommandRequest request = QueryOf(options);
  v1::CommandResponse response;
  if (const ExitCode code = CallNodes(session, request, response); code != ExitCode::kOk) return code;
  BeginLook(session, options.watch);
  const std::vector<Seen> all = Breakers(response);
  session.Show(response);
  Name(session, all);
  if (!all.empty()) {
    PrintTable(session, all);
  } else if (!Done(response).empty()) {
    session.err() << "no upstream is in force\n";
  }
  return TellFailures(session, request, response);
}

// "openai/primary on edge-1: ", as far as it is not clear.
std::string Heading(const Seen& seen, bool several_targets, bool several_nodes) {
  if (!several_targets && !several_nodes) return "";
  return SafeLine(absl::StrCat(several_targets ? TargetOf(*seen.breaker) : "",
                               several_targets && several_nodes ? " on " : "", several_nodes ? *seen.node : "", ": "));
}

ExitCode ExplainBreakers(Session& session, const BreakerOptions& options) {
  const v1::CommandRequest request = QueryOf(options);
  v1::CommandResponse response;
  if (const ExitCode code = CallNodes(session, request, response); code != ExitCode::kOk) return code;
  BeginLook(session, options.watch);
  const std::vector<Seen> all = Breakers(response);
  session.Show(response);
  Name(session, all);
  std::set<std::string> targets, nodes;
  for (const Seen& seen : all) {
    targets.insert(TargetOf(*seen.breaker));
    nodes.insert(*seen.node);
  }
  for (const Seen& seen : all) {
    session.out() << Paint(Heading(seen, targets.size() > 1, nodes.size() > 1), Color::kDim, session.color())
                  << ExplainBreaker(*seen.breaker, session.clock());
  }
  return TellFailures(session, request, response);
}

// "openai/primary on edge-1: rest ended, was until 14:05:33 (58 m 20 s left)".
void TellEnded(Session& session, const std::vector<Seen>& all) {
  std::set<std::string> nodes;
  for (const Seen& seen : all) nodes.insert(*seen.node);
  for (const Seen& seen : all) {
    if (!seen.breaker->has_ended()) continue;
    const v1::EndpointHold& ended = seen.breaker->ended();
    session.out() << Heading(seen, true, nodes.size() > 1) << "rest ended, was until "
                  << HoldUntilText(ended, session.clock()) << " (" << SpanText(ToAbsl(ended.remaining())) << " left)\n";
  }
}

// "openai/primary tripped on 2/2 data planes in 12 ms".
ExitCode Operate(Session& session, const BreakerOptions& options, v1::CommandRequest request, const std::string& done,
                 const std::string& until) {
  request.set_node_id(options.node);
  request.mutable_command()->set_reason(session.options().reason);
  request.mutable_command()->set_author(session.options().author);
  v1::CommandResponse response;
  if (const ExitCode code = CallNodes(session, request, response); code != ExitCode::kOk) return code;
  const size_t worked = Done(response).size();
  session.Show(response);
  Name(session, Breakers(response));
  if (worked > 0) {
    // Those that are lost were meant too.
    const int meant = response.answers_size() + response.lost_size();
    session.out() << options.target << " " << done << " on " << worked << "/" << meant
                  << (meant == 1 ? " data plane" : " data planes") << " in "
                  << ElapsedText(ToAbsl(response.elapsed())) << until << "\n";
    TellEnded(session, Breakers(response));
  }
  return TellFailures(session, request, response);
}

ExitCode Trip(Session& session, const BreakerOptions& options) {
  v1::CommandRequest request;
  v1::BreakerTrip& trip = *request.mutable_command()->mutable_trip_breaker();
  trip.set_target(options.target);
  if (options.lasting.empty()) {
    return Operate(session, options, request, "tripped",
                   absl::StrCat(" · until reset (sluicectl breaker reset ", options.target, ")"));
  }
  const absl::StatusOr<absl::Duration> lasting = ParseDurationText(options.lasting);
  if (!lasting.ok() || *lasting <= absl::ZeroDuration()) {
    return session.Fail(ExitCode::kUsage, absl::StrCat("--for: \"", options.lasting, "\" is no time; write 5m or 1h30m, or "
                                                       "leave it out for \"until it is reset\""));
  }
  *trip.mutable_lasting() = ToProto(*lasting);
  return Operate(session, options, request, "tripped",
                 absl::StrCat(" · until ", AtText(session.now() + *lasting, session.clock())));
}

ExitCode Reset(Session& session, const BreakerOptions& options) {
  v1::CommandRequest request;
  request.mutable_command()->mutable_reset_breaker()->set_target(options.target);
  return Operate(session, options, request, "reset", "");
}

void AddCommon(CLI::App& app, BreakerOptions& options, bool target_required) {
  CLI::Option* target = app.add_option("target", options.target, "UPSTREAM/ENDPOINT, or UPSTREAM with all its endpoints");
  if (target_required) target->required();
  app.add_option("--node", options.node, "Only this data plane; left out: all");
}

void AddReading(CommandSet& commands, CLI::App& group) {
  auto list = std::make_shared<BreakerOptions>();
  CLI::App& list_app = commands.Add(group, "list", "Every breaker of every data plane",
                                    "sluicectl breaker list\n"
                                    "sluicectl breaker list openai --watch\n"
                                    "sluicectl breaker list -o json | jq '.answers[].answer.breakers.breakers[]'",
                                    [list](Session& session) {
                                      return Watch(session, list->watch, [&] { return List(session, *list); });
                                    });
  AddCommon(list_app, *list, false);
  AddWatchOptions(list_app, list->watch);
  auto explain = std::make_shared<BreakerOptions>();
  CLI::App& explain_app = commands.Add(group, "explain", "Why a breaker is as it is: state, time, figures, failures",
                                       "sluicectl breaker explain openai/primary\n"
                                       "sluicectl breaker explain openai --node edge-1",
                                       [explain](Session& session) {
                                         return Watch(session, explain->watch,
                                                      [&] { return ExplainBreakers(session, *explain); });
                                       });
  AddCommon(explain_app, *explain, true);
  AddWatchOptions(explain_app, explain->watch);
}

void AddOperating(CommandSet& commands, CLI::App& group) {
  auto trip = std::make_shared<BreakerOptions>();
  CLI::App& trip_app =
      commands.Add(group, "trip",
                   "Open a breaker by hand, on every data plane at once. A data plane that restarts forgets it; for what "
                   "is to stay, set a CircuitBreaker's mode to FORCED_OPEN. Ends with 8 when one was not reached, though it did "
                   "not refuse",
                   "sluicectl breaker trip openai/primary --for 5m --reason \"provider incident\"\n"
                   "sluicectl breaker trip openai                       until it is reset",
                   [trip](Session& session) { return Trip(session, *trip); });
  AddCommon(trip_app, *trip, true);
  trip_app.add_option("--for", trip->lasting, "How long, as in 5m; then probes go first. Left out: until it is reset");
  auto reset = std::make_shared<BreakerOptions>();
  CLI::App& reset_app = commands.Add(group, "reset", "Close a breaker by hand, forget what it has counted, and end the rest "
                                     "of what is COOLING there (Retry-After, rate limit, quota)",
                                     "sluicectl breaker reset openai/primary\n"
                                     "sluicectl breaker reset openai --node edge-1",
                                     [reset](Session& session) { return Reset(session, *reset); });
  AddCommon(reset_app, *reset, true);
}

}  // namespace

void AddBreaker(CommandSet& commands) {
  CLI::App& group = commands.AddGroup("breaker", "See, explain, trip and reset circuit breakers",
                                      "sluicectl breaker list\n"
                                      "sluicectl breaker explain openai/primary\n"
                                      "sluicectl breaker trip openai/primary --for 5m --reason \"provider incident\"\n"
                                      "sluicectl breaker reset openai");
  AddReading(commands, group);
  AddOperating(commands, group);
}

}  // namespace sluice::ctl

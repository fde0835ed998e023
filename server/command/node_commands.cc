#include "server/command/node_commands.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/wording.h"
#include "server/engine/failure_text.h"

namespace sluice {
namespace {

constexpr int kMaxNames = 10000;
constexpr size_t kMaxWords = 256;

v1::Answer Refusal(const absl::Status& status) {
  v1::Answer answer;
  answer.set_code(static_cast<int>(status.code()));
  answer.set_message(std::string(status.message()));
  return answer;
}

// "by ann: provider incident".
std::string WhoAndWhy(const v1::NodeCommand& command) {
  const std::string author = OneLine(command.author(), kMaxWords);
  const std::string reason = OneLine(command.reason(), kMaxWords);
  return absl::StrCat("by ", author.empty() ? "an operator" : author, reason.empty() ? "" : ": ", reason);
}

BreakerName ParseTarget(const std::string& target) {
  const size_t slash = target.find('/');
  if (slash == std::string::npos) return {target, ""};
  return {target.substr(0, slash), target.substr(slash + 1)};
}

absl::Status UnknownUpstream(const std::string& name, const std::vector<BreakerView>& all) {
  std::vector<std::string> known;
  for (const BreakerView& view : all) {
    if (known.empty() || known.back() != view.name.upstream) known.push_back(view.name.upstream);
  }
  return absl::NotFoundError(absl::StrCat("there is no upstream ", Shown(name),
                                          known.empty() ? "; none is in force" : DidYouMean(name, known)));
}

// `views` are those of its upstream, or all where that is unknown too.
absl::Status UnknownEndpoint(const BreakerName& name, const std::vector<BreakerView>& views) {
  std::vector<std::string> known;
  for (const BreakerView& view : views) {
    if (!view.name.endpoint.empty()) known.push_back(view.name.ToString());
  }
  return absl::NotFoundError(absl::StrCat("there is no endpoint ", Shown(name.ToString()),
                                          known.empty() ? "; none is in force" : DidYouMean(name.ToString(), known)));
}

const char* ModeName(BreakerMode mode) {
  switch (mode) {
    case BreakerMode::kAutomatic:
      return "AUTOMATIC";
    case BreakerMode::kDisabled:
      return "DISABLED";
    case BreakerMode::kForcedOpen:
      return "FORCED_OPEN";
    case BreakerMode::kObserveOnly:
      return "OBSERVE_ONLY";
  }
  return "";
}

// The command changed nothing there: policies come first.
v1::Answer PolicyForbids(const std::vector<const BreakerView*>& views, const char* what) {
  const auto describe = [](std::string* out, const BreakerView* view) {
    absl::StrAppend(out, view->name.ToString(), " (mode ", ModeName(view->config.mode), ")");
  };
  // A policy over thousands of endpoints is told by the first few.
  const size_t shown = std::min<size_t>(views.size(), 5);
  return Refusal(absl::FailedPreconditionError(
      absl::StrCat(what, " by policy: ", absl::StrJoin(views.begin(), views.begin() + shown, ", ", describe),
                   shown < views.size() ? absl::StrCat(" and ", views.size() - shown, " more") : "",
                   "; change the mode of the CircuitBreaker")));
}

// A pool's are told by the first few.
void LogEnded(const std::map<std::string, EndpointHold>& ended, TimePoint now) {
  constexpr size_t kMostLines = 5;
  size_t lines = 0;
  for (const auto& [name, rest] : ended) {
    if (++lines > kMostLines) break;
    spdlog::warn("{}: its rest is ended, {} of which were left", name, FormatDurationText(rest.until - now));
  }
  if (ended.size() > kMostLines) spdlog::warn("… and that of {} other endpoints", ended.size() - kMostLines);
}

void AddFirstToken(const LiveTally& tally, v1::EndpointFigures& figures) {
  if (tally.first_token.empty()) return;
  *figures.mutable_first_token_p50() = ToProto(tally.Percentile(0.5));
  *figures.mutable_first_token_p95() = ToProto(tally.Percentile(0.95));
  for (const auto& [cell, attempts] : tally.first_token) {
    v1::FirstTokenBucket& bucket = *figures.add_first_token();
    *bucket.mutable_within() = ToProto(LiveTally::UpperBound(cell));
    bucket.set_attempts(attempts);
  }
}

}  // namespace

absl::StatusOr<std::vector<BreakerView>> NodeCommands::Named(const std::string& target, TimePoint now) const {
  std::vector<BreakerView> all = sources_.breakers.List(now);
  if (target.empty()) return all;
  const BreakerName name = ParseTarget(target);
  std::vector<BreakerView> named;
  std::copy_if(all.begin(), all.end(), std::back_inserter(named),
               [&name](const BreakerView& view) { return view.name.upstream == name.upstream; });
  if (named.empty()) return name.endpoint.empty() ? UnknownUpstream(name.upstream, all) : UnknownEndpoint(name, all);
  if (name.endpoint.empty()) return named;
  const auto found = std::find_if(named.begin(), named.end(), [&name](const BreakerView& view) { return view.name == name; });
  if (found == named.end()) return UnknownEndpoint(name, named);
  return std::vector<BreakerView>{std::move(*found)};
}

v1::Answer NodeCommands::Answer(const v1::Query& query) const {
  switch (query.kind_case()) {
    case v1::Query::kBreakers:
      return Breakers(query.breakers());
    case v1::Query::kConfig:
      return Config();
    case v1::Query::kLive:
      return Live(query.live());
    case v1::Query::kPolicies: {
      v1::Answer answer;
      *answer.mutable_policies() = sources_.policies(query.policies().offset());
      return answer;
    }
    default:
      break;
  }
  return Refusal(absl::UnimplementedError("this data plane does not know the query"));
}

v1::Answer NodeCommands::Answer(const v1::NodeCommand& command) {
  switch (command.kind_case()) {
    case v1::NodeCommand::kTripBreaker:
      return Trip(command.trip_breaker(), command);
    case v1::NodeCommand::kResetBreaker:
      return Reset(command.reset_breaker(), command);
    case v1::NodeCommand::KIND_NOT_SET:
      break;
  }
  return Refusal(absl::UnimplementedError("this data plane does not know the command"));
}

v1::Answer NodeCommands::Breakers(const v1::BreakersQuery& query) const {
  const Moment moment = sources_.clock();
  const absl::StatusOr<std::vector<BreakerView>> named = Named(query.target(), moment.now);
  if (!named.ok()) return Refusal(named.status());
  v1::Answer answer;
  v1::BreakerList& list = *answer.mutable_breakers();
  for (const BreakerView& view : *named) *list.add_breakers() = ToStatus(view, moment);
  return answer;
}

v1::Answer NodeCommands::Config() const {
  v1::Answer answer;
  v1::ConfigInForce& config = *answer.mutable_config();
  const ConfigStatus status = sources_.status();
  config.set_source(static_cast<v1::ConfigSource>(status.source));
  config.set_epoch(status.epoch);
  config.set_revision(status.revision);
  if (status.applied_at != absl::InfinitePast()) *config.mutable_applied() = ToProto(status.applied_at);
  config.set_last_error(status.last_error);
  config.set_updates_applied(status.updates_applied);
  config.set_updates_refused(status.updates_refused);
  const std::shared_ptr<const RouteTable> table = sources_.table();
  if (table == nullptr) return answer;
  for (const auto& route : table->routes()) {
    if (config.routes_size() < kMaxNames) config.add_routes(route->name);
  }
  for (const auto& upstream : table->upstreams()) {
    for (const EndpointConfig& endpoint : upstream->endpoints) {
      if (endpoint.active && config.endpoints_size() < kMaxNames) {
        config.add_endpoints(absl::StrCat(upstream->name, "/", endpoint.name));
      }
    }
  }
  return answer;
}

v1::Answer NodeCommands::Live(const v1::LiveQuery& query) const {
  const Moment moment = sources_.clock();
  const absl::StatusOr<std::vector<BreakerView>> named = Named(query.target(), moment.now);
  if (!named.ok()) return Refusal(named.status());
  const std::map<LiveKey, LiveTally> sums = sources_.live.Sums(moment.now);
  v1::Answer answer;
  v1::LiveFigures& live = *answer.mutable_live();
  *live.mutable_window() = ToProto(LiveCounters::Window(moment.now, started_));
  for (const BreakerView& view : *named) {
    if (view.name.endpoint.empty()) continue;
    const v1::BreakerStatus breaker = ToStatus(view, moment);
    v1::EndpointFigures& figures = *live.add_endpoints();
    figures.set_upstream(view.name.upstream);
    figures.set_endpoint(view.name.endpoint);
    figures.set_breaker(breaker.state());
    if (breaker.has_age()) *figures.mutable_breaker_age() = breaker.age();
    *figures.mutable_holds() = breaker.holds();
    figures.set_in_flight(view.in_flight);
    const auto sum = sums.find({view.name.upstream, view.name.endpoint});
    if (sum == sums.end()) continue;
    figures.set_attempts(sum->second.attempts);
    figures.set_errors(sum->second.errors);
    figures.set_retries(sum->second.retries);
    AddFirstToken(sum->second, figures);
  }
  return answer;
}

v1::Answer NodeCommands::Trip(const v1::BreakerTrip& trip, const v1::NodeCommand& command) {
  const TimePoint now = sources_.clock().now;
  const absl::StatusOr<std::vector<BreakerView>> named = Named(trip.target(), now);
  if (!named.ok()) return Refusal(named.status());
  const Duration lasting = trip.has_lasting() ? ToAbsl(trip.lasting()) : absl::InfiniteDuration();
  if (lasting <= absl::ZeroDuration()) {
    return Refusal(absl::InvalidArgumentError("trip_breaker.lasting: must be above 0s; leave it out for \"until reset\""));
  }
  std::vector<const BreakerView*> forbidden;
  bool whole = false;
  for (const BreakerView& view : *named) {
    const bool held = sources_.breakers.Trip(view.name, now, lasting, WhoAndWhy(command));
    if (!held) forbidden.push_back(&view);
    whole |= held && view.name.endpoint.empty();
  }
  spdlog::warn("breaker {} tripped {} {}", OneLine(trip.target(), kMaxWords),
               trip.has_lasting() ? absl::StrCat("for ", FormatDurationText(lasting)) : "until it is reset",
               WhoAndWhy(command));
  // An upstream whose own breaker is open gets no calls, whatever its endpoints'
  // breakers may do.
  if (!forbidden.empty() && !whole) return PolicyForbids(forbidden, "calls go through");
  v1::BreakersQuery query;
  query.set_target(trip.target());
  return Breakers(query);
}

v1::Answer NodeCommands::Reset(const v1::BreakerReset& reset, const v1::NodeCommand& command) {
  const TimePoint now = sources_.clock().now;
  const absl::StatusOr<std::vector<BreakerView>> named = Named(reset.target(), now);
  if (!named.ok()) return Refusal(named.status());
  std::vector<const BreakerView*> forbidden;
  std::map<std::string, EndpointHold> ended;
  for (const BreakerView& view : *named) {
    if (const auto rest = sources_.breakers.Reset(view.name, now)) ended.emplace(view.name.ToString(), *rest);
    if (view.config.mode == BreakerMode::kForcedOpen) forbidden.push_back(&view);
  }
  std::set<std::string> upstreams;
  for (const BreakerView& view : *named) upstreams.insert(view.name.upstream);
  for (const std::string& upstream : upstreams) sources_.breakers.WakeWaiters(upstream);
  spdlog::warn("breaker {} reset {}", OneLine(reset.target(), kMaxWords), WhoAndWhy(command));
  LogEnded(ended, now);
  if (!forbidden.empty()) return PolicyForbids(forbidden, "calls are still held back");
  v1::BreakersQuery query;
  query.set_target(reset.target());
  v1::Answer answer = Breakers(query);
  for (v1::BreakerStatus& breaker : *answer.mutable_breakers()->mutable_breakers()) {
    const auto rest = ended.find(BreakerName{breaker.upstream(), breaker.endpoint()}.ToString());
    if (rest != ended.end()) *breaker.mutable_ended() = ToProto(rest->second, sources_.clock());
  }
  return answer;
}

}  // namespace sluice

#include "controlplane/admin/command_check.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "controlplane/admin/rpc_status.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

// Two names of at most 253 bytes and the slash.
constexpr size_t kMaxTarget = 512;
constexpr size_t kMaxWords = 256;
// Who means longer than that means a policy: `mode: FORCED_OPEN`.
constexpr absl::Duration kMaxLasting = absl::Hours(24 * 30);

grpc::Status CheckWords(const std::string& field, const std::string& text, size_t max) {
  if (text.size() > max) return BadField(field, absl::StrCat("has ", text.size(), " bytes; at most ", max));
  bool control = std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); });
  return control ? BadField(field, absl::StrCat(Shown(text), " has control characters; write one line")) : grpc::Status::OK;
}

grpc::Status CheckTarget(const std::string& field, const std::string& target, bool required) {
  if (target.empty()) {
    return required ? BadField(field, "missing; name an upstream, or UPSTREAM/ENDPOINT") : grpc::Status::OK;
  }
  if (target.front() == '/' || target.back() == '/') {
    return BadField(field, absl::StrCat(Shown(target), " names nothing; write an upstream, or UPSTREAM/ENDPOINT"));
  }
  return CheckWords(field, target, kMaxTarget);
}

grpc::Status CheckQuery(const v1::Query& query) {
  switch (query.kind_case()) {
    case v1::Query::kBreakers:
      return CheckTarget("query.breakers.target", query.breakers().target(), false);
    case v1::Query::kLive:
      return CheckTarget("query.live.target", query.live().target(), false);
    case v1::Query::kConfig:
      return grpc::Status::OK;
    // Asked by Apply and Adopt.
    default:
      break;
  }
  return BadField("query", "asks for nothing; set breakers, config or live");
}

grpc::Status CheckLasting(const v1::BreakerTrip& trip) {
  if (!trip.has_lasting()) return grpc::Status::OK;
  absl::Duration lasting = ToAbsl(trip.lasting());
  if (lasting >= absl::Milliseconds(1) && lasting <= kMaxLasting) return grpc::Status::OK;
  return BadField("command.trip_breaker.lasting",
                  absl::StrCat(absl::FormatDuration(lasting), " is not in 1ms to 720h; leave it out for \"until reset\""));
}

grpc::Status CheckNodeCommand(const v1::NodeCommand& command) {
  if (grpc::Status status = CheckWords("command.reason", command.reason(), kMaxWords); !status.ok()) return status;
  if (grpc::Status status = CheckWords("command.author", command.author(), kMaxWords); !status.ok()) return status;
  switch (command.kind_case()) {
    case v1::NodeCommand::kTripBreaker:
      if (grpc::Status status = CheckLasting(command.trip_breaker()); !status.ok()) return status;
      return CheckTarget("command.trip_breaker.target", command.trip_breaker().target(), true);
    case v1::NodeCommand::kResetBreaker:
      return CheckTarget("command.reset_breaker.target", command.reset_breaker().target(), true);
    case v1::NodeCommand::KIND_NOT_SET:
      break;
  }
  return BadField("command", "does nothing; set trip_breaker or reset_breaker");
}

}  // namespace

grpc::Status CheckCommand(const v1::CommandRequest& request) {
  if (request.has_timeout()) {
    absl::Duration timeout = ToAbsl(request.timeout());
    if (timeout <= absl::ZeroDuration() || timeout > kMaxCommandTimeout) {
      return BadField("timeout", absl::StrCat(absl::FormatDuration(timeout), " is not in 1ms to 60s"));
    }
  }
  switch (request.kind_case()) {
    case v1::CommandRequest::kQuery:
      return CheckQuery(request.query());
    case v1::CommandRequest::kCommand:
      return CheckNodeCommand(request.command());
    case v1::CommandRequest::KIND_NOT_SET:
      break;
  }
  return BadField("kind", "missing; set query or command");
}

std::string CommandText(const v1::CommandRequest& request) {
  if (!request.has_command()) return "";
  const v1::NodeCommand& command = request.command();
  std::string text;
  if (command.has_trip_breaker()) {
    const v1::BreakerTrip& trip = command.trip_breaker();
    text = absl::StrCat("trip of ", trip.target(),
                        trip.has_lasting() ? absl::StrCat(" for ", FormatDurationText(ToAbsl(trip.lasting()))) : "");
  } else {
    text = absl::StrCat("reset of ", command.reset_breaker().target());
  }
  if (!command.author().empty()) absl::StrAppend(&text, " by ", command.author());
  if (!command.reason().empty()) absl::StrAppend(&text, " (", Shown(command.reason()), ")");
  return text;
}

}  // namespace sluice

#include "server/engine/call_error.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "server/engine/failure_text.h"

namespace sluice {
namespace {

// The cause's words without the route, which the whole begins with already.
std::string WithoutPrefix(const CallError& cause) {
  const size_t end = cause.message.starts_with("route \"") ? cause.message.find("\": ") : std::string::npos;
  return end == std::string::npos ? cause.message : cause.message.substr(end + 3);
}

// Room comes as calls end, at no known time.
constexpr Duration kRoomRetryAfter = absl::Seconds(1);

std::string Prefix(std::string_view route) {
  return "route \"" + OneLine(route, 128) + "\": ";
}

CallError ErrorOf(FailureKind kind, std::string message) {
  const FailureTraits& traits = TraitsOf(kind);
  CallError error;
  error.kind = kind;
  error.grpc_code = traits.grpc_code;
  error.reason = traits.reason;
  error.message = OneLine(message, kMaxStatusMessage);
  return error;
}

std::optional<Duration> ShortestRetryAfter(const std::vector<AttemptRecord>& attempts) {
  std::optional<Duration> shortest;
  for (const AttemptRecord& attempt : attempts) {
    const std::optional<Duration>& told = attempt.retry_after ? attempt.retry_after : attempt.rest;
    if (told && (!shortest || *told < *shortest)) shortest = told;
  }
  return shortest;
}

// The kind that stands for all: the last one where every failure would tell the
// caller the same, or where the caller is to mend it; else that of an upstream.
FailureKind TellingKind(const std::vector<AttemptRecord>& attempts) {
  const FailureKind last = attempts.back().failure;
  if (TraitsOf(last).fault == Fault::kCaller) return last;
  const bool agree = std::all_of(attempts.begin(), attempts.end(), [&](const AttemptRecord& attempt) {
    return TraitsOf(attempt.failure).grpc_code == TraitsOf(last).grpc_code;
  });
  if (agree) return last;
  const auto upstream = std::find_if(attempts.rbegin(), attempts.rend(), [](const AttemptRecord& attempt) {
    return TraitsOf(attempt.failure).fault == Fault::kUpstream;
  });
  return upstream == attempts.rend() ? FailureKind::kServerError : upstream->failure;
}

std::string WhyNoMore(const RetryDecision& why) {
  switch (why.verdict) {
    case RetryDecision::Verdict::kAllCooling:
      return "; every endpoint is cooling down, for " + ShortDuration(why.cooldown);
    case RetryDecision::Verdict::kNoBudget:
      return "; the retry budget allows no other now";
    case RetryDecision::Verdict::kPastDeadline:
      return "; the deadline leaves no time to wait " + ShortDuration(why.delay) + " for another";
    default:
      return "";
  }
}

// One that was given up because of another tells nothing of its own.
std::vector<AttemptRecord> ThatFailed(const std::vector<AttemptRecord>& attempts) {
  std::vector<AttemptRecord> failed;
  std::copy_if(attempts.begin(), attempts.end(), std::back_inserter(failed),
               [](const AttemptRecord& attempt) { return attempt.outcome != AttemptOutcome::kAbandoned; });
  return failed;
}

}  // namespace

CallError AttemptsFailed(std::string_view route, const std::vector<AttemptRecord>& all, const RetryDecision& why,
                         std::string field) {
  const std::vector<AttemptRecord> attempts = ThatFailed(all);
  const FailureKind kind = TellingKind(attempts);
  const std::string prefix = Prefix(route);
  if (TraitsOf(kind).fault == Fault::kCaller) {
    // What was wrong with other attempts does not help who must mend the request.
    CallError error = ErrorOf(kind, prefix + DescribeAttempt(attempts.back()) +
                                        (field.empty() ? "" : " (field " + field + ")"));
    error.field = std::move(field);
    return error;
  }
  const std::string tail = WhyNoMore(why);
  CallError error =
      ErrorOf(kind, prefix + DescribeAttempts(attempts, kMaxStatusMessage - prefix.size() - tail.size()) + tail);
  error.retry_after = ShortestRetryAfter(attempts);
  // A limit of ours has room again soon.
  if (!error.retry_after && kind == FailureKind::kShed) error.retry_after = kRoomRetryAfter;
  if (why.verdict == RetryDecision::Verdict::kAllCooling) error.retry_after = why.cooldown;
  return error;
}

CallError ResponseTooLarge(std::string_view route, const AttemptRecord& attempt) {
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + DescribeAttempt(attempt));
  error.reason = "RESPONSE_TOO_LARGE";
  return error;
}

CallError NowhereToGo(std::string_view route, const EndpointsLeft& left, TimePoint now) {
  if (left.soonest == absl::InfiniteFuture()) {
    CallError error = ErrorOf(FailureKind::kOverload, Prefix(route) + "no endpoint takes calls (each is switched off, or "
                                                                      "its circuit breaker is held open)");
    error.reason = "NO_ENDPOINT";
    return error;
  }
  const Duration cooldown = std::max(absl::ZeroDuration(), left.soonest - now);
  if (left.hold == EndpointsLeft::Hold::kLimit) {
    return OverLimit(route, {std::string(left.limit), std::string(left.upstream), cooldown});
  }
  if (left.hold == EndpointsLeft::Hold::kDown) {
    CallError error = ErrorOf(FailureKind::kOverload,
                              Prefix(route) + "every endpoint is out (circuit breaker open, or ejected); retry after " +
                                  ShortDuration(cooldown));
    error.reason = "ALL_ENDPOINTS_OUT";
    error.retry_after = cooldown;
    return error;
  }
  CallError error = ErrorOf(FailureKind::kRateLimited, Prefix(route) + "every endpoint is cooling down; retry after " +
                                                           ShortDuration(cooldown));
  error.reason = "ALL_ENDPOINTS_COOLING";
  error.retry_after = cooldown;
  return error;
}

CallError NoRoom(std::string_view route, const std::optional<LimitRefusal>& refused) {
  const std::string where = refused ? "upstream \"" + refused->upstream + "\" (" + refused->limit + ")" : "every upstream";
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + where + " takes no more calls for now");
  error.reason = "UPSTREAM_LIMIT";
  error.retry_after = kRoomRetryAfter;
  return error;
}

CallError OverLimit(std::string_view route, const LimitRefusal& refusal) {
  const bool never = refusal.wait == absl::InfiniteDuration();
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + "rate limit \"" + OneLine(refusal.limit, 128) + "\"" +
                                                    (refusal.upstream.empty() ? "" : " of upstream \"" + refusal.upstream + "\"") +
                                                    " is used up" +
                                                    (never ? "" : "; retry after " + ShortDuration(refusal.wait)));
  error.reason = "RATE_LIMIT";
  if (!never) error.retry_after = refusal.wait;
  return error;
}

CallError OthersWait(std::string_view route) {
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + "others wait before this call");
  error.reason = "QUEUED";
  error.retry_after = kRoomRetryAfter;
  return error;
}

CallError NotWaited(CallError cause, Duration may_wait, bool deadline) {
  const std::string why = deadline ? "the call's deadline comes before that"
                                   : "that is longer than the " + ShortDuration(may_wait) + " that the call may wait";
  cause.message = OneLine(cause.message, kMaxStatusMessage - why.size() - 2) + "; " + why;
  return cause;
}

CallError QueueFull(std::string_view route, std::string_view bound, const CallError& cause) {
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + "the queue is full (" + std::string(bound) + "); " +
                                                    WithoutPrefix(cause));
  error.reason = "QUEUE_FULL";
  error.retry_after = cause.retry_after.value_or(kRoomRetryAfter);
  return error;
}

CallError QueueTimedOut(std::string_view route, Duration waited, const CallError& cause) {
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + "waited " + ShortDuration(waited) +
                                                    " in the queue in vain; " + WithoutPrefix(cause));
  error.reason = "QUEUE_TIMEOUT";
  error.retry_after = cause.retry_after.value_or(kRoomRetryAfter);
  return error;
}

CallError CannotEncode(std::string_view route, const absl::Status& why) {
  const std::string message(why.message());
  CallError error = ErrorOf(FailureKind::kCaller, Prefix(route) + message);
  // Formats say "messages[0].text: what is wrong".
  const size_t colon = message.find(": ");
  const std::string path = message.substr(0, colon == std::string::npos ? 0 : colon);
  if (path.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.[]\"") == std::string::npos) error.field = path;
  return error;
}

CallError DeadlinePassed(std::string_view route, const std::vector<AttemptRecord>& attempts, Duration limit,
                         bool callers_own, const CallError* waited_for) {
  const std::string head =
      Prefix(route) + (callers_own ? "the deadline of " : "the route's bound of ") + ShortDuration(limit) + " passed";
  std::string tail;
  if (waited_for != nullptr) {
    tail = " in the queue; " + WithoutPrefix(*waited_for);
  } else if (!attempts.empty()) {
    tail = "; " + DescribeAttempts(attempts, kMaxStatusMessage - head.size() - 2);
  }
  CallError error = ErrorOf(FailureKind::kTimeout, head + tail);
  if (callers_own) {
    error.grpc_code = static_cast<int>(absl::StatusCode::kDeadlineExceeded);
    error.reason = "DEADLINE_EXCEEDED";
  } else {
    error.reason = "ROUTE_TIMEOUT";
  }
  error.retry_after = ShortestRetryAfter(attempts);
  if (waited_for != nullptr && waited_for->retry_after) error.retry_after = waited_for->retry_after;
  return error;
}

CallError CutAtDeadline(std::string_view route, Duration limit) {
  CallError error = ErrorOf(FailureKind::kTimeout, Prefix(route) + "the answer was cut after content: the deadline of " +
                                                       ShortDuration(limit) + " passed");
  error.grpc_code = static_cast<int>(absl::StatusCode::kDeadlineExceeded);
  error.reason = "DEADLINE_EXCEEDED";
  return error;
}

CallError Truncated(std::string_view route, const AttemptRecord& attempt) {
  return ErrorOf(FailureKind::kTruncated,
                 Prefix(route) + "the answer was cut after content: " + DescribeAttempt(attempt));
}

CallError ShuttingDown(std::string_view route) {
  CallError error = ErrorOf(FailureKind::kShed, Prefix(route) + "this data plane is shutting down");
  error.grpc_code = static_cast<int>(absl::StatusCode::kUnavailable);
  error.reason = "SHUTTING_DOWN";
  return error;
}

CallError Cancelled(std::string_view route) {
  return ErrorOf(FailureKind::kCancelled, Prefix(route) + "cancelled by the caller");
}

}  // namespace sluice

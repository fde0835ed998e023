#include "server/engine/running_attempt.h"

#include <algorithm>
#include <string>

#include "server/engine/failure_text.h"
#include "server/resilience/backoff.h"

namespace sluice {
namespace {

// A used-up quota comes back when somebody pays, or at the turn of the period,
// a refused credential when somebody mends it: one request a minute is enough to
// find out.
constexpr Duration kCredentialRest = absl::Minutes(1);

// A rate limit that told no time: sooner than that nothing has changed.
constexpr Duration kLeastRest = absl::Milliseconds(250);

// What the attempt cost, as told or estimated; a failure that the upstream
// told is not billed.
uint64_t UsedTokens(const UsageCounts& usage) {
  if (usage.total_tokens) return static_cast<uint64_t>(std::max(0, *usage.total_tokens));
  return static_cast<uint64_t>(std::max(0, usage.input_tokens.value_or(0)) +
                               std::max(0, usage.output_tokens.value_or(0)));
}

// Usage comes at an answer's end. One that was given up is paid for all the
// same, as far as it had come.
bool WasCutOff(const AttemptRecord& record) {
  switch (record.outcome) {
    case AttemptOutcome::kAbandoned:
    case AttemptOutcome::kCancelled:
      return true;
    case AttemptOutcome::kFailed:
      return record.failure == FailureKind::kTruncated || record.failure == FailureKind::kTimeout;
    case AttemptOutcome::kRunning:
    case AttemptOutcome::kOk:
      break;
  }
  return false;
}

UsageCounts EstimatedUsage(const RunningAttempt& running) {
  UsageCounts usage;
  usage.input_tokens = static_cast<int32_t>(std::min<uint64_t>(running.prompt_tokens, INT32_MAX));
  usage.output_tokens = static_cast<int32_t>(std::min<uint64_t>(running.content_bytes / kBytesPerToken, INT32_MAX));
  usage.estimated = true;
  return usage;
}

// An upstream may quote the credential that it was sent.
void HideSecret(const std::string& secret, std::string& message) {
  static constexpr std::string_view kHidden = "(credential)";
  if (secret.empty()) return;
  // On from what was put in place, of which the secret may be a part.
  for (size_t at = 0; (at = message.find(secret, at)) != std::string::npos; at += kHidden.size()) {
    message.replace(at, secret.size(), kHidden);
  }
}

}  // namespace

uint64_t RecordEnd(const RunningAttempt& running, const AttemptEnd& end, TimePoint now, AttemptRecord& record) {
  const Attempt& attempt = *running.attempt;
  record.outcome = end.outcome;
  record.failure = end.failure;
  record.message = OneLine(end.message, kMaxAttemptMessage);
  HideSecret(running.plan.upstream().credentials[running.plan.credential].secret, record.message);
  record.http_status = attempt.http_status();
  record.retry_after = attempt.failure().retry_after;
  record.duration = now - record.started;
  record.usage = attempt.usage();
  if (const auto first = attempt.first_content()) record.time_to_first_token = *first - record.started;
  const bool told = record.usage.input_tokens || record.usage.output_tokens || record.usage.total_tokens;
  const bool paid = running.connected && (WasCutOff(record) || record.outcome == AttemptOutcome::kOk);
  const UsageCounts cost = told || !paid ? record.usage : EstimatedUsage(running);
  // What an upstream left out of a whole answer is not for us to make up.
  if (WasCutOff(record)) record.usage = cost;
  return UsedTokens(cost);
}

void RestAfter(const RouteConfig& route, const Plan& plan, const AttemptFailure& failure, TimePoint now, Random& random,
               AttemptRecord& record) {
  // A refused credential rests where others can take its place. The only one is
  // tried all the same: it may have been mended, and nothing else can be done.
  const bool refused = failure.kind == FailureKind::kAuth && plan.upstream().credentials.size() > 1;
  if (!refused && !TraitsOf(failure.kind).cools_down) return;
  if (refused || failure.kind == FailureKind::kQuota) {
    // The credential's, so every endpoint that it is used at.
    const TimePoint until = now + std::max(kCredentialRest, failure.retry_after.value_or(absl::ZeroDuration()));
    for (const EndpointConfig& endpoint : plan.upstream().endpoints) {
      endpoint.cooldowns[plan.credential]->RestUntil(until);
    }
  } else if (failure.retry_after) {
    plan.cooldown().RestUntil(now + *failure.retry_after);
  } else if (failure.kind == FailureKind::kRateLimited) {
    // While it rests, one that was under way before adds little that is new.
    const bool first = plan.cooldown().until() <= now;
    const int in_a_row = plan.cooldown().RefusedWithoutTime(now);
    const Duration rest = first ? BackoffAfter(route.retry.backoff, in_a_row, random) : kLeastRest;
    plan.cooldown().RestUntil(now + std::max(rest, kLeastRest));
    record.rest = plan.cooldown().until() - now;
  }
}

}  // namespace sluice

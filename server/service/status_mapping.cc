#include "server/service/status_mapping.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"
#include "server/resilience/failure.h"
#include "server/service/outcome_codes.h"

namespace sluice {
namespace {

// An attempt's message in status details; the end record keeps all of it.
constexpr size_t kMaxAttemptMessageBytes = 160;
constexpr size_t kMaxNameBytes = 80;
constexpr size_t kMaxEndMessageBytes = 512;
// Numbers, durations and framing of an end record and of each attempt, beside
// their texts.
constexpr size_t kEndOverhead = 256;
constexpr size_t kAttemptOverhead = 160;
// What is wrong with a field says it shorter than the message.
constexpr size_t kMaxDescriptionBytes = 512;
// Counted for every call, so that nothing depends on which of them there are.
constexpr size_t kCallTrailers = HeaderBytes(kCallIdKey, kMaxNameBytes) + HeaderBytes(kPushbackKey, 20);

void SetDuration(Duration value, google::protobuf::Duration* out) {
  Duration rest;
  out->set_seconds(absl::IDivDuration(value, absl::Seconds(1), &rest));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void AddErrorInfo(const CallError& error, std::string_view call_id, std::string_view route, RichStatus* status) {
  google::rpc::ErrorInfo info;
  info.set_reason(BoundedText(error.reason, kMaxNameBytes));
  info.set_domain("sluice");
  auto& metadata = *info.mutable_metadata();
  for (const auto& [key, value] : error.facts) metadata[key] = BoundedText(value, kMaxNameBytes);
  if (!call_id.empty()) metadata["call_id"] = BoundedText(call_id, kMaxNameBytes);
  if (!route.empty()) metadata["route"] = BoundedText(route, kMaxNameBytes);
  if (auto name = TraitsOf(error.kind).name; !name.empty()) metadata["error_class"] = std::string(name);
  status->Add(info);
}

void AddBadRequest(const CallError& error, RichStatus* status) {
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(BoundedText(error.field, kMaxNameBytes * 2));
  violation->set_description(BoundedText(error.message, kMaxDescriptionBytes));
  status->Add(bad);
}

void AddRetryInfo(Duration retry_after, RichStatus* status) {
  google::rpc::RetryInfo info;
  SetDuration(std::max(retry_after, absl::ZeroDuration()), info.mutable_retry_delay());
  status->Add(info);
}

v1::Attempt Shortened(const AttemptRecord& record) {
  v1::Attempt attempt = ToProto(record);
  attempt.set_error_message(BoundedText(record.message, kMaxAttemptMessageBytes));
  attempt.set_upstream(BoundedText(record.upstream, kMaxNameBytes));
  attempt.set_endpoint(BoundedText(record.endpoint, kMaxNameBytes));
  return attempt;
}

// AttemptList.omitted, with its tag.
constexpr size_t kOmittedBytes = 11;

// The first attempts and the last ones say most: taken from both ends, in turn,
// until the next would not fit.
v1::AttemptList FittingAttempts(const std::vector<AttemptRecord>& records, size_t bytes) {
  std::vector<v1::Attempt> head, tail;
  size_t first = 0, last = records.size(), used = kOmittedBytes;
  while (first < last) {
    bool from_head = head.size() <= tail.size();
    v1::Attempt attempt = Shortened(from_head ? records[first] : records[last - 1]);
    size_t size = attempt.ByteSizeLong() + 4;  // tag and length
    if (used + size > bytes) break;
    used += size;
    (from_head ? head : tail).push_back(std::move(attempt));
    from_head ? ++first : --last;
  }
  v1::AttemptList list;
  list.set_omitted(static_cast<int32_t>(last - first));
  for (auto& attempt : head) *list.add_attempts() = std::move(attempt);
  for (auto it = tail.rbegin(); it != tail.rend(); ++it) *list.add_attempts() = std::move(*it);
  return list;
}

// Last, so that of all that there is to tell attempts are left out first.
void AddAttempts(const CallRecord& record, RichStatus* status) {
  if (record.attempts.empty()) return;
  status->Add(FittingAttempts(record.attempts, status->Room(v1::AttemptList())));
}

void FillUsage(const UsageCounts& usage, v1::Usage* out) {
  if (usage.input_tokens) out->set_input_tokens(*usage.input_tokens);
  if (usage.output_tokens) out->set_output_tokens(*usage.output_tokens);
  if (usage.total_tokens) out->set_total_tokens(*usage.total_tokens);
  if (usage.cached_input_tokens) out->set_cached_input_tokens(*usage.cached_input_tokens);
  if (usage.reasoning_tokens) out->set_reasoning_tokens(*usage.reasoning_tokens);
  out->set_estimated(usage.estimated);
}

void FillAttempt(const AttemptRecord& record, v1::Attempt* attempt) {
  attempt->set_upstream(record.upstream);
  attempt->set_endpoint(record.endpoint);
  attempt->mutable_outcome()->assign(OutcomeName(record.outcome));
  attempt->set_outcome_code(OutcomeCode(record.outcome));
  if (auto name = TraitsOf(record.failure).name; !name.empty()) attempt->mutable_error_class()->assign(name);
  attempt->set_error_code(ErrorCode(record.failure));
  if (!record.message.empty()) attempt->set_error_message(BoundedText(record.message, kMaxEndMessageBytes));
  attempt->set_http_status(record.http_status);
  if (record.backoff > absl::ZeroDuration()) SetDuration(record.backoff, attempt->mutable_backoff());
  if (record.time_to_first_token) SetDuration(*record.time_to_first_token, attempt->mutable_time_to_first_token());
  SetDuration(record.duration, attempt->mutable_duration());
  if (record.retry_after) SetDuration(*record.retry_after, attempt->mutable_retry_after());
  attempt->set_hedge(record.hedge);
}

// The last attempt is the one that decided: it is always there.
template <typename F>
void ForEachShown(const CallRecord& record, F show) {
  const size_t count = record.attempts.size();
  for (size_t i = 0; i < count; ++i) {
    if (i + 1 < kMaxEndAttempts || i + 1 == count) show(record.attempts[i]);
  }
}

v1::Outcome ToProto(CallOutcome outcome) { return static_cast<v1::Outcome>(outcome); }

static_assert(static_cast<int>(CallOutcome::kComplete) == v1::OUTCOME_COMPLETE);
static_assert(static_cast<int>(CallOutcome::kTruncated) == v1::OUTCOME_TRUNCATED);
static_assert(static_cast<int>(CallOutcome::kFallback) == v1::OUTCOME_FALLBACK);
static_assert(static_cast<int>(CallOutcome::kFailed) == v1::OUTCOME_FAILED);

}  // namespace

v1::Usage ToProto(const UsageCounts& usage) {
  v1::Usage out;
  FillUsage(usage, &out);
  return out;
}

v1::Attempt ToProto(const AttemptRecord& record) {
  v1::Attempt attempt;
  FillAttempt(record, &attempt);
  return attempt;
}

v1::End EndMessage(const CallRecord& record) {
  v1::End end;
  FillEnd(record, &end);
  return end;
}

void FillEnd(const CallRecord& record, v1::End* end) {
  end->set_outcome(ToProto(record.outcome));
  ForEachShown(record, [end](const AttemptRecord& attempt) { FillAttempt(attempt, end->add_attempts()); });
  end->set_served_by(record.served_by);
  FillUsage(record.delivered, end->mutable_delivered());
  FillUsage(record.abandoned, end->mutable_abandoned());
  if (record.error.grpc_code != 0) {
    v1::CallError* error = end->mutable_error();
    error->set_reason(record.error.reason);
    error->set_message(StatusText(record.error.message, kMaxStatusMessageBytes));
    error->mutable_error_class()->assign(TraitsOf(record.error.kind).name);
    error->set_error_code(ErrorCode(record.error.kind));
  }
  SetDuration(record.total, end->mutable_total());
  if (!record.fallback.empty()) end->set_fallback(BoundedText(record.fallback, kMaxNameBytes));
  end->set_restarts(record.restarts);
  if (record.queued > absl::ZeroDuration()) SetDuration(record.queued, end->mutable_queued());
}

size_t WeightOfEnd(const CallRecord& record) {
  size_t weight = kEndOverhead + record.served_by.size();
  ForEachShown(record, [&weight](const AttemptRecord& attempt) {
    weight += kAttemptOverhead + attempt.upstream.size() + attempt.endpoint.size() +
              std::min(attempt.message.size(), kMaxEndMessageBytes);
  });
  if (record.error.grpc_code == 0) return weight;
  return weight + record.error.reason.size() + std::min(record.error.message.size(), kMaxStatusMessageBytes);
}

grpc::Status StatusOf(const CallRecord& record, std::string_view call_id, std::string_view route) {
  const CallError& error = record.error;
  // A fallback answered: its error is what made it necessary.
  if (error.grpc_code == 0 || record.outcome == CallOutcome::kFallback) return grpc::Status::OK;
  RichStatus status(error.grpc_code, error.message, kCallTrailers);
  AddErrorInfo(error, call_id, route, &status);
  if (!error.field.empty()) AddBadRequest(error, &status);
  if (error.retry_after) AddRetryInfo(*error.retry_after, &status);
  AddAttempts(record, &status);
  return status.Take();
}

grpc::Status StatusOf(const CallError& error) {
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  record.error = error;
  return StatusOf(record, {}, {});
}

std::optional<std::string> RetryPushback(const CallRecord& record) {
  const std::optional<Duration>& retry_after = record.error.retry_after;
  if (record.outcome == CallOutcome::kFallback) return std::nullopt;
  if (record.error.kind == FailureKind::kCaller) return "-1";
  if (!retry_after) return std::nullopt;
  // Rounded up: trying a moment too early costs another refusal.
  int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(*retry_after, absl::Milliseconds(1)));
  return absl::StrCat(std::max<int64_t>(ms, 0));
}

CallRecord RefusedRecord(CallError error, TimePoint now) {
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  record.error = std::move(error);
  record.started = now;
  record.total = absl::ZeroDuration();
  return record;
}

}  // namespace sluice

#include "client/call_failure.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice {
namespace {

void DecodeDetail(const google::protobuf::Any& detail, CallFailure& failure) {
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  v1::AttemptList list;
  if (detail.UnpackTo(&info)) {
    failure.reason = info.reason();
    failure.metadata.insert(info.metadata().begin(), info.metadata().end());
  } else if (detail.UnpackTo(&retry)) {
    failure.retry_after = DurationOf(retry.retry_delay());
  } else if (detail.UnpackTo(&list)) {
    failure.attempts.assign(list.attempts().begin(), list.attempts().end());
    failure.omitted_attempts = list.omitted();
  }
}

}  // namespace

CallFailure DecodeStatus(const grpc::Status& status) {
  CallFailure failure;
  failure.code = status.error_code();
  failure.message = status.error_message();
  google::rpc::Status rich;
  if (status.ok() || !rich.ParseFromString(status.error_details())) return failure;
  for (const google::protobuf::Any& detail : rich.details()) DecodeDetail(detail, failure);
  return failure;
}

std::string CallFailure::ToString() const {
  std::string text = absl::StrCat(CodeName(code), ": ", message.empty() ? "no reason given" : message);
  // The gateway's own words mostly have it.
  const bool said = message.find("retry after") != std::string::npos;
  if (retry_after.has_value() && !said) absl::StrAppend(&text, "; retry after ", SayDuration(*retry_after));
  return text;
}

const char* CodeName(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",          "CANCELLED",     "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND",   "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",     "OUT_OF_RANGE",  "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS",   "UNAUTHENTICATED"};
  const size_t index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "UNKNOWN";
}

std::string DescribeAttempt(const v1::Attempt& attempt) {
  std::string text = absl::StrCat(attempt.upstream(), "/", attempt.endpoint(), ": ",
                                  attempt.error_class().empty() ? attempt.outcome() : attempt.error_class());
  if (attempt.http_status() != 0) absl::StrAppend(&text, ", HTTP ", attempt.http_status());
  if (attempt.has_duration()) absl::StrAppend(&text, ", after ", SayDuration(DurationOf(attempt.duration())));
  if (!attempt.error_message().empty()) absl::StrAppend(&text, ": ", attempt.error_message());
  return text;
}

std::string SayDuration(absl::Duration duration) {
  if (duration < absl::Milliseconds(1)) return absl::StrFormat("%d us", absl::ToInt64Microseconds(duration));
  if (duration < absl::Seconds(1)) return absl::StrFormat("%d ms", absl::ToInt64Milliseconds(duration));
  if (duration < absl::Minutes(1)) return absl::StrFormat("%.3g s", absl::ToDoubleSeconds(duration));
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 3600) return absl::StrFormat("%d min %d s", seconds / 60, seconds % 60);
  return absl::StrFormat("%d h %d min", seconds / 3600, seconds / 60 % 60);
}

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace sluice

#include "server/service/load_shedder.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

CallError Overloaded(std::string why, Duration retry_after) {
  CallError error;
  error.kind = FailureKind::kShed;
  error.grpc_code = static_cast<int>(absl::StatusCode::kResourceExhausted);
  error.reason = "OVERLOADED";
  error.message = absl::StrCat("this data plane ", why);
  error.retry_after = retry_after;
  return error;
}

}  // namespace

std::optional<CallError> LoadShedder::TryTake(int64_t bytes, Duration lag) {
  if (limits_.max_lag > absl::ZeroDuration() && lag > limits_.max_lag) {
    shed_by_lag_.fetch_add(1, std::memory_order_relaxed);
    return Overloaded(absl::StrCat("is late by ", absl::FormatDuration(absl::Trunc(lag, absl::Milliseconds(1))),
                                   ", more than ", absl::FormatDuration(limits_.max_lag), " (--shed-at-lag)"),
                      limits_.retry_after);
  }
  if (calls_.fetch_add(1, std::memory_order_relaxed) >= limits_.max_calls) {
    calls_.fetch_sub(1, std::memory_order_relaxed);
    shed_by_calls_.fetch_add(1, std::memory_order_relaxed);
    return Overloaded(absl::StrCat("runs ", limits_.max_calls, " calls, its maximum (--max-concurrent-calls)"),
                      limits_.retry_after);
  }
  const int64_t held = bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (held + bytes <= limits_.max_request_bytes) return std::nullopt;
  GiveBack(bytes);
  shed_by_bytes_.fetch_add(1, std::memory_order_relaxed);
  return Overloaded(absl::StrCat("holds ", held, " bytes of requests; this one of ", bytes, " would be over its maximum of ",
                                 limits_.max_request_bytes, " (--max-request-memory)"),
                    limits_.retry_after);
}

void LoadShedder::GiveBack(int64_t bytes) {
  calls_.fetch_sub(1, std::memory_order_relaxed);
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

ShedFigures LoadShedder::figures() const {
  ShedFigures figures;
  figures.concurrency = shed_by_calls_.load(std::memory_order_relaxed);
  figures.memory = shed_by_bytes_.load(std::memory_order_relaxed);
  figures.lag = shed_by_lag_.load(std::memory_order_relaxed);
  return figures;
}

}  // namespace sluice

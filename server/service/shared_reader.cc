#include "server/service/shared_reader.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// As the engine does: a client cancels at its deadline and then sees no end
// record, so ours comes a little before.
constexpr Duration kDeadlineMargin = absl::Milliseconds(10);
constexpr double kDeadlineMarginShare = 0.05;

}  // namespace

SharedReader::SharedReader(Loop& loop, StreamSink& sink, Traits traits)
    : loop_(loop), sink_(sink), traits_(std::move(traits)), started_(loop.Now()), deadline_timer_(loop) {
  place_.loop = &loop;
  place_.alive = alive_;
  place_.wake = [this] { Read(); };
}

SharedReader::~SharedReader() {
  if (call_) call_->Leave(&place_);
}

void SharedReader::Follow(std::shared_ptr<SharedCall> call, std::function<void()> run) {
  call_ = std::move(call);
  run_ = std::move(run);
}

void SharedReader::Start() {
  if (traits_.deadline != absl::InfiniteFuture()) {
    const Duration left = std::max(traits_.deadline - started_, absl::ZeroDuration());
    const Duration margin = std::min(kDeadlineMargin, left * kDeadlineMarginShare);
    deadline_timer_.Set(traits_.deadline - margin, [this] { DeadlineReached(); });
  }
  if (run_) std::exchange(run_, nullptr)();
  Wake();
}

void SharedReader::Wake() {
  loop_.Post([alive = std::weak_ptr<int>(alive_), this] {
    if (alive.lock()) Read();
  });
}

void SharedReader::Read() {
  while (!over_ && sink_.pending_bytes() <= traits_.max_pending_bytes) {
    const std::optional<CallStep> step = call_->Next(&place_);
    if (!step) return;
    Note(*step);
    step->TellTo(sink_);
  }
}

void SharedReader::Note(const CallStep& step) {
  if (step.is_started()) served_by_ = step.served_by();
  if (!step.is_finish()) return;
  over_ = true;
  deadline_timer_.Cancel();
}

void SharedReader::Cancel() {
  End(FailureKind::kCancelled, static_cast<int>(absl::StatusCode::kCancelled), "CANCELLED", "cancelled by the caller");
}

void SharedReader::Stop() {
  End(FailureKind::kShed, static_cast<int>(absl::StatusCode::kUnavailable), "SHUTTING_DOWN",
      "this data plane is shutting down");
}

void SharedReader::DeadlineReached() {
  End(FailureKind::kTimeout, static_cast<int>(absl::StatusCode::kDeadlineExceeded), "DEADLINE_EXCEEDED",
      absl::StrCat("the deadline of ", absl::FormatDuration(absl::Trunc(traits_.deadline - started_, absl::Milliseconds(1))),
                   " passed"));
}

void SharedReader::End(FailureKind kind, int grpc_code, std::string reason, std::string message) {
  if (std::exchange(over_, true)) return;
  deadline_timer_.Cancel();
  if (auto call = std::exchange(call_, nullptr)) call->Leave(&place_);
  CallRecord record;
  record.outcome = shown() ? CallOutcome::kTruncated : CallOutcome::kFailed;
  record.served_by = served_by_;
  record.started = started_;
  record.total = loop_.Now() - started_;
  record.error.kind = kind;
  record.error.grpc_code = grpc_code;
  record.error.reason = std::move(reason);
  // What the caller ends is told as that; every other end after content is a cut.
  const bool cut = shown() && kind == FailureKind::kShed;
  if (cut) {
    const FailureTraits& traits = TraitsOf(FailureKind::kTruncated);
    record.error.kind = traits.kind;
    record.error.grpc_code = traits.grpc_code;
    record.error.reason = std::string(traits.reason);
  }
  record.error.message = absl::StrCat("route \"", traits_.route, "\": ",
                                      cut ? "the answer was cut after content: " : "", message);
  sink_.Finish(record);
}

}  // namespace sluice

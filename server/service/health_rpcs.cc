#include "server/service/health_rpcs.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/status/bounded_text.h"
#include "server/service/caller_bounds.h"
#include "server/service/status_mapping.h"

namespace sluice {

using grpc::health::v1::HealthCheckResponse;

namespace {

grpc::Status Refusal(absl::StatusCode code, std::string reason, std::string message,
                     FailureKind kind = FailureKind::kShed) {
  CallError error;
  error.kind = kind;
  error.grpc_code = static_cast<int>(code);
  error.reason = std::move(reason);
  error.message = std::move(message);
  return StatusOf(error);
}

grpc::Status UnknownService(std::string_view service) {
  return Refusal(absl::StatusCode::kNotFound, "UNKNOWN_SERVICE",
                 absl::StrCat("service \"", BoundedText(service, 128), "\" is not served here; \"\" and \"",
                              v1::Gateway::service_full_name(), "\" are"),
                 FailureKind::kCaller);
}

}  // namespace

void HealthBoard::Start() { Look(); }

void HealthBoard::Look() {
  if (stopped_) return;
  if (services_.tables->Current() == nullptr) {
    timer_.Set(loop_.Now() + services_.options.health_check_interval, [this] { Look(); });
    return;
  }
  // A configuration once in force never goes away again.
  serving_ = true;
  TellWatchers();
}

void HealthBoard::StopServing() {
  stopped_ = true;
  serving_ = false;
  timer_.Cancel();
  TellWatchers();
}

void HealthBoard::EndWatches() {
  ending_ = true;
  StopServing();
}

void HealthBoard::TellWatchers() {
  // Telling may end a watcher's watch, but never frees it within.
  auto watchers = watchers_;
  for (HealthWatchRpc* watcher : watchers) watcher->Tell();
}

HealthBoard::Status HealthBoard::StatusOf(std::string_view service) const {
  if (!service.empty() && service != v1::Gateway::service_full_name()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

bool HealthBoard::AddWatcher(HealthWatchRpc* watcher) {
  if (watchers_.size() >= services_.options.max_health_watchers) return false;
  watchers_.insert(watcher);
  return true;
}

void HealthCheckRpc::Request() {
  services_.health.RequestCheck(&context(), &request_, &writer_, face().call_queue(), face().notification_queue(),
                                request_tag());
}

std::unique_ptr<Rpc> HealthCheckRpc::Next(FaceLoop&) { return std::make_unique<HealthCheckRpc>(face(), services_, board_); }

void HealthCheckRpc::Begin() {
  if (auto fault = CheckMetadata(context(), services_.options.max_metadata_bytes)) {
    return writer_.FinishWithError(StatusOf(*fault), StartFinish());
  }
  HealthCheckResponse response;
  response.set_status(board_.StatusOf(request_.service()));
  if (response.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    return writer_.FinishWithError(UnknownService(request_.service()), StartFinish());
  }
  writer_.Finish(response, grpc::Status::OK, StartFinish());
}

HealthWatchRpc::~HealthWatchRpc() { board_.RemoveWatcher(this); }

void HealthWatchRpc::Request() {
  services_.health.RequestWatch(&context(), &request_, &writer_, face().call_queue(), face().notification_queue(),
                                request_tag());
}

std::unique_ptr<Rpc> HealthWatchRpc::Next(FaceLoop&) { return std::make_unique<HealthWatchRpc>(face(), services_, board_); }

void HealthWatchRpc::Begin() {
  if (auto fault = CheckMetadata(context(), services_.options.max_metadata_bytes)) {
    return writer_.Finish(StatusOf(*fault), StartFinish());
  }
  if (!board_.AddWatcher(this)) {
    return writer_.Finish(Refusal(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHERS",
                                  absl::StrCat(services_.options.max_health_watchers, " health watchers are the maximum")),
                          StartFinish());
  }
  Tell();
}

void HealthWatchRpc::Tell() {
  if (busy() || finishing() || gone()) return;  // OperationDone tells the latest
  HealthCheckResponse response;
  response.set_status(board_.StatusOf(request_.service()));
  if (board_.ending()) {
    // An open watch would hold up the drain for nothing.
    return writer_.WriteAndFinish(response, grpc::WriteOptions(),
                                  Refusal(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "this data plane is shutting down"),
                                  StartFinish());
  }
  if (response.status() == told_) return;
  told_ = response.status();
  writer_.Write(response, StartOperation());
}

void HealthWatchRpc::OperationDone(bool ok) {
  if (ok) Tell();
}

void HealthWatchRpc::CallerGone() { board_.RemoveWatcher(this); }

}  // namespace sluice

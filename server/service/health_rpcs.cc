#include "server/service/health_rpcs.h"

#include "absl/strings/str_cat.h"
#include "server/service/bounded_text.h"

namespace sluice {

using grpc::health::v1::HealthCheckResponse;

void HealthBoard::Start() { Look(); }

void HealthBoard::Look() {
  if (draining_) return;
  if (services_.tables->Current() == nullptr) {
    timer_.Set(loop_.Now() + services_.options.health_check_interval, [this] { Look(); });
    return;
  }
  // A configuration once in force never goes away again.
  serving_ = true;
  TellWatchers();
}

void HealthBoard::StopServing() {
  draining_ = true;
  serving_ = false;
  timer_.Cancel();
  TellWatchers();
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
  HealthCheckResponse response;
  response.set_status(board_.StatusOf(request_.service()));
  if (response.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    grpc::Status unknown(grpc::StatusCode::NOT_FOUND,
                         absl::StrCat("service \"", BoundedText(request_.service(), 128), "\" is not served here; \"\" and \"",
                                      v1::Gateway::service_full_name(), "\" are"));
    return writer_.FinishWithError(unknown, StartFinish());
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
  if (!board_.AddWatcher(this)) {
    writer_.Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                absl::StrCat(services_.options.max_health_watchers, " health watchers are the maximum")),
                   StartFinish());
    return;
  }
  Tell();
}

void HealthWatchRpc::Tell() {
  if (busy() || finishing() || gone()) return;  // OperationDone tells the latest
  HealthCheckResponse response;
  response.set_status(board_.StatusOf(request_.service()));
  if (board_.draining()) {
    // An open watch would hold up the drain for nothing.
    grpc::Status draining(grpc::StatusCode::UNAVAILABLE, "this data plane is shutting down");
    return writer_.WriteAndFinish(response, grpc::WriteOptions(), draining, StartFinish());
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

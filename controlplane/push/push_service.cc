#include "controlplane/push/push_service.h"

#include <deque>
#include <memory>
#include <optional>

#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"

namespace sluice {
namespace {

// Commands that wait for a peer that does not read. Those that were not
// answered in time count here too, unlike at the hub.
constexpr size_t kMaxUnreadCommands = 64;

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      StatusText({status.message().data(), status.message().size()}, kMaxStatusMessageBytes));
}

// Two locks, always in the order hub, stream: the hub calls Send, Drain and End
// under its own; reactions call the hub without holding this one's.
class SubscribeStream : public grpc::ServerBidiReactor<v1::SubscribeRequest, v1::SubscribeResponse>,
                        public SubscriberStream {
 public:
  SubscribeStream(PushHub& hub, grpc::CallbackServerContext* context) : hub_(hub), context_(context) {
    absl::StatusOr<uint64_t> id = hub_.Admit(this);
    if (!id.ok()) {
      End(id.status());
      return;
    }
    stream_id_ = *id;
    StartRead(&request_);
  }

  void Send(UpdatePlanPtr plan) override {
    absl::MutexLock lock(&mutex_);
    plan_ = std::move(plan);
    next_chunk_ = 0;
    Continue();
  }

  bool SendCommand(std::shared_ptr<const v1::SubscribeResponse> message) override {
    absl::MutexLock lock(&mutex_);
    if (commands_.size() >= kMaxUnreadCommands) return false;
    commands_.push_back(std::move(message));
    Continue();
    return true;
  }

  void Drain(const v1::Drain& drain) override {
    absl::MutexLock lock(&mutex_);
    *drain_.emplace().mutable_drain() = drain;
    Continue();
  }

  void End(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    if (end_.has_value()) return;
    end_ = ToGrpc(status);
    // A peer that does not read would hold the write, and so the end, for ever.
    if (writing_) context_->TryCancel();
    Continue();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End(absl::OkStatus());
      return;
    }
    absl::Status status = attached_ ? hub_.OnMessage(stream_id_, request_) : Greet();
    if (!status.ok()) {
      End(status);
      return;
    }
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    writing_command_ = nullptr;
    if (!ok && !end_.has_value()) end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the peer is gone");
    Continue();
  }

  void OnCancel() override { End(absl::CancelledError("cancelled")); }

  void OnDone() override {
    hub_.Detach(stream_id_);
    delete this;
  }

 private:
  absl::Status Greet() {
    if (!request_.has_hello()) return absl::InvalidArgumentError("the first message must be hello");
    attached_ = true;
    return hub_.Attach(stream_id_, request_.hello(), context_->peer());
  }

  // At most one write at a time; the end comes after it.
  void Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || finished_) return;
    if (end_.has_value()) {
      finished_ = true;
      Finish(*end_);
    } else if (!commands_.empty()) {
      writing_ = true;
      writing_command_ = std::move(commands_.front());
      commands_.pop_front();
      StartWrite(writing_command_.get());
    } else if (plan_ && next_chunk_ < plan_->chunks.size()) {
      writing_ = true;
      // A node may answer before it has read all: the next plan then replaces
      // plan_ while a chunk of this one is still being written.
      writing_plan_ = plan_;
      StartWrite(&plan_->chunks[next_chunk_++]);
    } else if (drain_.has_value() && !drain_sent_) {
      writing_ = drain_sent_ = true;
      StartWrite(&*drain_);
    }
  }

  PushHub& hub_;
  grpc::CallbackServerContext* const context_;
  // Reactions of reading only; they never overlap, and OnDone comes after them.
  v1::SubscribeRequest request_;
  bool attached_ = false;
  uint64_t stream_id_ = 0;

  absl::Mutex mutex_;
  UpdatePlanPtr plan_ ABSL_GUARDED_BY(mutex_);
  UpdatePlanPtr writing_plan_ ABSL_GUARDED_BY(mutex_);
  size_t next_chunk_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::shared_ptr<const v1::SubscribeResponse>> commands_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const v1::SubscribeResponse> writing_command_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::SubscribeResponse> drain_ ABSL_GUARDED_BY(mutex_);
  bool drain_sent_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::SubscribeRequest, v1::SubscribeResponse>* PushService::Subscribe(
    grpc::CallbackServerContext* context) {
  return new SubscribeStream(hub_, context);
}

}  // namespace sluice

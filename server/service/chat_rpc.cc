#include "server/service/chat_rpc.h"

#include <utility>

#include "server/service/request_check.h"
#include "server/service/status_mapping.h"

namespace sluice {

namespace {

constexpr CallTraits kStreamTraits{"chat", true};
constexpr CallTraits kUnaryTraits{"chat", false};

using OwnedChat = OwnedRequest<v1::ChatRequest>;

}  // namespace

// --- StreamChat -------------------------------------------------------------

StreamChatRpc::StreamChatRpc(FaceLoop& face, FaceServices& services)
    : CallRpc(face, services, "StreamChat", kStreamTraits),
      request_(std::make_shared<OwnedChat>()),
      writer_(&context()),
      pending_(face.messages()) {}

std::optional<CallError> StreamChatRpc::Check() const { return CheckChatRequest(request_->message()); }

void StreamChatRpc::Admitted() {
  const Duration length = CoalesceOf(request_->message().stream_options(), bounds().coalesce);
  if (length == absl::ZeroDuration()) return;
  window_ = std::make_unique<CoalescingWindow>(face().loop(), length, [this] { MarkDirty(); });
}

std::shared_ptr<const CallRequest> StreamChatRpc::TakeRequest() {
  return OwnedChat::View(std::move(request_), &NewChatCallRequest);
}

void StreamChatRpc::Request() {
  services().gateway.RequestStreamChat(&context(), &request_->message(), &writer_, face().call_queue(),
                                       face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> StreamChatRpc::Next(FaceLoop& face) { return std::make_unique<StreamChatRpc>(face, services()); }

void StreamChatRpc::Started(std::string_view served_by, std::string_view model) {
  if (gone()) return;
  started_ = true;
  if (keyed()) pending_.KeepApart();
  // Nothing that the caller has seen is void where it has seen nothing.
  if (std::exchange(restarted_, false) && (keyed() || handed_)) pending_.AddRestart(served_by);
  pending_.AddStarted(call_id(), served_by, model);
  if (window_) window_->Begin();
  MarkDirty();
}

// What gRPC has not taken yet need not be shown to be taken back, unless it may
// be replayed: then every caller gets the same.
void StreamChatRpc::Restart() {
  if (gone()) return;
  restarted_ = true;
  if (!keyed()) ClearPending();
  MarkDirty();
}

void StreamChatRpc::Write(const StreamEvent& event) {
  if (gone()) return;
  pending_.Add(event);
  if (window_ && !pending_.empty()) window_->Added(event.is_content());
  if (pending_bytes() > bounds().max_pending_bytes / 2) above_half_ = true;
  MarkDirty();
}

void StreamChatRpc::Ended(const CallRecord& record) {
  status_ = StatusFor(record);
  // A call that failed before content ends with a status and no message.
  if (status_->ok() || started_) pending_.AddEnd(record);
  WatchEnd();
}

void StreamChatRpc::Flush() {
  if (busy() || finishing() || gone()) return;
  if (pending_.empty()) {
    if (!status_) return;
    if (!handed_) EndWithoutContent();
    writer_.Finish(*status_, StartFinish());
    return;
  }
  if (window_ && Waits()) return;
  auto message = pending_.TakeFirst();
  if (window_) window_->Written(!pending_.empty());
  if (!std::exchange(handed_, true)) BeginContent();
  writing_bytes_ = message->bytes;
  // No buffer hint: on the first message it would hang the call.
  if (status_ && pending_.empty()) {
    writer_.WriteAndFinish(message->message(), grpc::WriteOptions(), *status_, StartFinish());
  } else {
    writer_.Write(message->message(), StartOperation());
  }
  face().messages().GiveBack(std::move(message));
}

void StreamChatRpc::OperationDone(bool ok) {
  if (finishing()) GiveBackSlot();
  writing_bytes_ = 0;
  if (!ok) return ClearPending();  // the done tag says the rest
  if (status_ && !finishing()) WatchEnd();
  Flush();
  TellDrained();
}

void StreamChatRpc::TellDrained() {
  if (!above_half_ || pending_bytes() > bounds().max_pending_bytes / 2) return;
  above_half_ = false;
  if (Call* call = running_call()) call->SinkDrained();
}

// Never the end, what fills a message, nor what the engine may wait for: that the
// caller takes it, so that the upstream is read on.
bool StreamChatRpc::Waits() {
  if (status_ || pending_.size() > 1 || pending_.bytes() > bounds().max_pending_bytes / 2) return false;
  return window_->Waits();
}

void StreamChatRpc::ClearPending() {
  pending_.Clear();
  if (window_) window_->Clear();
}

void StreamChatRpc::CallerGone() {
  ClearPending();
  CallRpc::CallerGone();
}

// --- Chat -------------------------------------------------------------------

ChatRpc::ChatRpc(FaceLoop& face, FaceServices& services)
    : UnaryCallRpc(face, services, "Chat", kUnaryTraits),
      request_(std::make_shared<OwnedChat>()),
      writer_(&context()) {}

std::optional<CallError> ChatRpc::Check() const { return CheckChatRequest(request_->message()); }

std::shared_ptr<const CallRequest> ChatRpc::TakeRequest() {
  return OwnedChat::View(std::move(request_), &NewChatCallRequest);
}

void ChatRpc::Request() {
  services().gateway.RequestChat(&context(), &request_->message(), &writer_, face().call_queue(),
                                 face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> ChatRpc::Next(FaceLoop& face) { return std::make_unique<ChatRpc>(face, services()); }

AnswerCollector& ChatRpc::collector() {
  if (!collector_) collector_.emplace(bounds().max_response_bytes);
  return *collector_;
}

void ChatRpc::Started(std::string_view served_by, std::string_view model) {
  collector().Started(call_id(), served_by, model);
}

void ChatRpc::Write(const StreamEvent& event) {
  collector().Add(event);
  // The engine must not be called back from here; the end of the turn is near.
  if (collector().overflowed()) MarkDirty();
}

void ChatRpc::Discard() {
  // An answer over the bound stays over it: the call is about to end.
  if (!collector().overflowed()) collector().Discard();
}

void ChatRpc::Ended(const CallRecord& record) {
  if (collector().overflowed()) {
    CallRecord refused = record;
    refused.outcome = CallOutcome::kFailed;
    refused.error = ResponseTooLarge(bounds().max_response_bytes, route_name());
    EndWithoutContent();
    writer_.FinishWithError(StatusFor(refused), StartFinish());
    return;
  }
  grpc::Status status = StatusFor(record);
  if (status.ok()) {
    BeginContent();
    writer_.Finish(collector().Take(record), status, StartFinish());
  } else {
    EndWithoutContent();
    writer_.FinishWithError(status, StartFinish());
  }
}

}  // namespace sluice

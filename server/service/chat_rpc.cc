#include "server/service/chat_rpc.h"

#include <utility>

#include "server/service/call_admission.h"
#include "server/service/status_mapping.h"

namespace sluice {

// --- both -------------------------------------------------------------------

ChatCallRpc::~ChatCallRpc() {
  if (has_slot_) services_.slots.GiveBack();
}

void ChatCallRpc::Begin() {
  CallParams params;
  auto table = services_.tables->Current();
  CallerMetadata metadata(context());
  params.info.streaming = streaming_;
  auto refusal = Admit(request_, metadata, table.get(), face().random(), &params);
  call_id_ = params.info.call_id;
  route_ = params.route;
  // Goes out with the first message: until then the call can still be retried
  // by the caller's own gRPC (gRFC A6).
  context().AddInitialMetadata("sluice-call-id", call_id_);
  if (!refusal) {
    has_slot_ = services_.slots.TryTake();
    if (!has_slot_) refusal = Overloaded(services_.slots.max(), services_.options.overload_retry_after);
  }
  if (refusal) return Refuse(params.info, std::move(*refusal));
  params.request = &request_;
  params.deadline = DeadlineOf(context().raw_deadline(), face().loop().Now());
  call_ = face().make_call()(std::move(params), *this);
  call_->Start();
}

void ChatCallRpc::Refuse(const CallInfo& info, CallError error) {
  CallRecord record = RefusedRecord(std::move(error), face().loop().Now());
  face().observer().CallStarted(info);
  face().observer().CallEnded(info, record);
  Finish(record);
}

void ChatCallRpc::Finish(const CallRecord& record) {
  over_ = true;
  if (!gone()) Ended(record);
  MarkDirty();
}

void ChatCallRpc::CallerGone() {
  if (Call* call = running_call()) call->Cancel();
}

void ChatCallRpc::EndNow() {
  if (Call* call = running_call()) call->Stop();
}

void ChatCallRpc::AtTurnEnd() {
  if (over_) call_.reset();
  Flush();
}

const StreamBounds& ChatCallRpc::bounds() const {
  static const StreamBounds kDefaults;
  return route_ ? route_->stream : kDefaults;
}

grpc::Status ChatCallRpc::StatusFor(const CallRecord& record) {
  if (auto pushback = RetryPushback(record.error)) {
    context().AddTrailingMetadata("grpc-retry-pushback-ms", *pushback);
  }
  return StatusOf(record, call_id_, route_name());
}

// --- StreamChat -------------------------------------------------------------

StreamChatRpc::StreamChatRpc(FaceLoop& face, FaceServices& services)
    : ChatCallRpc(face, services, true), writer_(&context()), pending_(face.messages()) {}

StreamChatRpc::~StreamChatRpc() { pending_.Clear(); }

void StreamChatRpc::Request() {
  services().gateway.RequestStreamChat(&context(), mutable_request(), &writer_, face().call_queue(),
                                       face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> StreamChatRpc::Next() { return std::make_unique<StreamChatRpc>(face(), services()); }

void StreamChatRpc::Started(std::string_view served_by, std::string_view model) {
  if (gone()) return;
  started_ = true;
  pending_.AddStarted(call_id(), served_by, model);
  MarkDirty();
}

void StreamChatRpc::Write(const StreamEvent& event) {
  if (gone()) return;
  pending_.Add(event);
  if (pending_bytes() > bounds().max_pending_bytes / 2) above_half_ = true;
  MarkDirty();
}

void StreamChatRpc::Ended(const CallRecord& record) {
  status_ = StatusFor(record);
  // A call that failed before content ends with a status and no message.
  if (status_->ok() || started_) pending_.AddEnd(EndMessage(record));
  WatchEnd();
}

void StreamChatRpc::Flush() {
  if (busy() || finishing() || gone()) return;
  if (pending_.empty()) {
    if (status_) writer_.Finish(*status_, StartFinish());
    return;
  }
  auto message = pending_.TakeFirst();
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
  writing_bytes_ = 0;
  if (!ok) return pending_.Clear();  // the done tag says the rest
  if (status_ && !finishing()) WatchEnd();
  Flush();
  TellDrained();
}

void StreamChatRpc::TellDrained() {
  if (!above_half_ || pending_bytes() > bounds().max_pending_bytes / 2) return;
  above_half_ = false;
  if (Call* call = running_call()) call->SinkDrained();
}

void StreamChatRpc::CallerGone() {
  pending_.Clear();
  ChatCallRpc::CallerGone();
}

// --- Chat -------------------------------------------------------------------

ChatRpc::ChatRpc(FaceLoop& face, FaceServices& services) : ChatCallRpc(face, services, false), writer_(&context()) {}

void ChatRpc::Request() {
  services().gateway.RequestChat(&context(), mutable_request(), &writer_, face().call_queue(),
                                 face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> ChatRpc::Next() { return std::make_unique<ChatRpc>(face(), services()); }

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

void ChatRpc::AtTurnEnd() {
  if (collector().overflowed()) {
    if (Call* call = running_call()) call->Cancel();
  }
  ChatCallRpc::AtTurnEnd();
}

void ChatRpc::Ended(const CallRecord& record) {
  if (collector().overflowed()) {
    CallRecord refused = record;
    refused.outcome = CallOutcome::kFailed;
    refused.error = ResponseTooLarge(bounds().max_response_bytes, route_name());
    writer_.FinishWithError(StatusFor(refused), StartFinish());
    return;
  }
  grpc::Status status = StatusFor(record);
  if (status.ok()) {
    writer_.Finish(collector().Take(record), status, StartFinish());
  } else {
    writer_.FinishWithError(status, StartFinish());
  }
}

}  // namespace sluice

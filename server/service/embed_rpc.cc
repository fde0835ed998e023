#include "server/service/embed_rpc.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/embed_call_request.h"
#include "server/service/request_check.h"
#include "server/service/status_mapping.h"

namespace sluice {
namespace {

constexpr CallTraits kTraits{"embeddings", false};

using OwnedEmbed = OwnedRequest<v1::EmbedRequest>;

// A wire format sees to it that this never comes.
CallError NotWhole(std::string_view route) {
  const FailureTraits& traits = TraitsOf(FailureKind::kProtocol);
  CallError error;
  error.kind = traits.kind;
  error.grpc_code = traits.grpc_code;
  error.reason = traits.reason;
  error.message = absl::StrCat("route \"", std::string(route), "\": the answer lacks embeddings");
  return error;
}

}  // namespace

EmbedRpc::EmbedRpc(FaceLoop& face, FaceServices& services)
    : UnaryCallRpc(face, services, "Embed", kTraits),
      request_(std::make_shared<OwnedEmbed>()),
      writer_(&context()) {}

void EmbedRpc::Request() {
  services().gateway.RequestEmbed(&context(), &request_->message(), &writer_, face().call_queue(),
                                  face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> EmbedRpc::Next(FaceLoop& face) { return std::make_unique<EmbedRpc>(face, services()); }

std::optional<CallError> EmbedRpc::Check() const { return CheckEmbedRequest(request_->message()); }

std::optional<CallError> EmbedRpc::CheckFor(const RouteConfig& route) const {
  return CheckEmbedSize(request_->message(), route.stream.max_response_bytes, route.name);
}

void EmbedRpc::Admitted() { inputs_ = static_cast<size_t>(request_->message().inputs_size()); }

std::shared_ptr<const CallRequest> EmbedRpc::TakeRequest() {
  return OwnedEmbed::View(std::move(request_), &NewEmbedCallRequest);
}

EmbedCollector& EmbedRpc::collector() {
  if (!collector_) collector_.emplace(inputs_, bounds().max_response_bytes);
  return *collector_;
}

void EmbedRpc::Write(const StreamEvent& event) {
  collector().Add(event);
  // The engine must not be called back from here; the end of the turn is near.
  if (overflowed()) MarkDirty();
}

void EmbedRpc::Discard() {
  // An answer over the bound stays over it: the call is about to end.
  if (!overflowed()) collector().Discard();
}

std::optional<CallError> EmbedRpc::Unfit(const CallRecord& record) {
  if (overflowed()) return EmbedTooLarge(bounds().max_response_bytes, route_name());
  const bool answered = record.outcome == CallOutcome::kComplete || record.outcome == CallOutcome::kFallback;
  if (answered && !collector().whole()) return NotWhole(route_name());
  return std::nullopt;
}

void EmbedRpc::Ended(const CallRecord& record) {
  CallRecord told = record;
  if (auto error = Unfit(record)) {
    told.outcome = CallOutcome::kFailed;
    told.error = std::move(*error);
  }
  const grpc::Status status = StatusFor(told);
  if (status.ok()) {
    BeginContent();
    writer_.Finish(collector().Take(told), status, StartFinish());
  } else {
    EndWithoutContent();
    writer_.FinishWithError(status, StartFinish());
  }
}

}  // namespace sluice

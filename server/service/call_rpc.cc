#include "server/service/call_rpc.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "server/service/caller_bounds.h"
#include "server/service/shared_reader.h"
#include "server/service/status_mapping.h"

namespace sluice {

CallRpc::~CallRpc() {
  GiveBackSlot();
}

void CallRpc::GiveBackSlot() {
  if (slot_bytes_ >= 0) services_.load.GiveBack(std::exchange(slot_bytes_, -1));
}

void CallRpc::Begin() {
  CallParams params;
  CallerMetadata metadata(context());
  const size_t bytes = message().ByteSizeLong();
  auto refusal = Admit(metadata, bytes, &params);
  call_id_ = params.info.call_id;
  if (!refusal) refusal = TakeSlot(static_cast<int64_t>(bytes));
  if (!refusal) Admitted();
  const auto key = metadata.Find("idempotency-key");
  if (!refusal && key) refusal = Follow(*key, metadata, &params);
  keyed_ = key.has_value();
  if (refusal) return Refuse(params.info, std::move(*refusal));
  if (!call_) RunAlone(metadata, std::move(params));
  call_->Start();
}

std::optional<CallError> CallRpc::Admit(const CallerMetadata& metadata, size_t bytes, CallParams* params) {
  Welcome(traits_, metadata, face().random(), params);
  if (auto fault = CheckMetadata(context(), services_.options.max_metadata_bytes)) return fault;
  if (auto fault = CheckRequestBytes(bytes, services_.options.max_request_bytes)) return fault;
  if (auto fault = Check()) return fault;
  auto table = services_.tables->Current();
  if (auto fault = FindRoute(model(), metadata, table.get(), params)) return fault;
  route_ = params->route;
  return CheckFor(*route_);
}

std::optional<CallError> CallRpc::TakeSlot(int64_t bytes) {
  auto refusal = services_.load.TryTake(bytes, waited());
  if (!refusal) slot_bytes_ = bytes;
  return refusal;
}

void CallRpc::RunAlone(const CallerMetadata& metadata, CallParams params) {
  params.request = TakeRequest();
  params.affinity = AffinityOf(*route_, *params.request, metadata);
  params.deadline = DeadlineOf(context().raw_deadline(), face().loop().Now());
  call_ = face().make_call()(std::move(params), *this);
}

Fingerprint CallRpc::FingerprintOfRequest(const CallerMetadata& metadata) const {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    // Maps have no order of their own.
    coded.SetSerializationDeterministic(true);
    message().SerializeToCodedStream(&coded);
  }
  return FingerprintOf(bytes, metadata.Get("sluice-route"));
}

std::optional<CallError> CallRpc::Follow(std::string_view key, const CallerMetadata& metadata, CallParams* params) {
  if (auto fault = CheckIdempotencyKey(key)) return fault;
  const TimePoint now = face().loop().Now();
  SharedReader::Traits traits{route_->name, bounds().max_pending_bytes, DeadlineOf(context().raw_deadline(), now)};
  auto reader = std::make_unique<SharedReader>(face().loop(), *this, std::move(traits));
  const auto make = [&] {
    SharedCall::Traits shared{ScopedKey(params->info.tenant, method_, key), params->info.call_id, traits_.streaming,
                              bounds().max_pending_bytes};
    return std::make_shared<SharedCall>(face().loop(), services_.idempotency, std::move(shared));
  };
  const auto claim = services_.idempotency.TryClaim(ScopedKey(params->info.tenant, method_, key),
                                                    FingerprintOfRequest(metadata), reader->place(), now, make);
  if (claim.verdict == IdempotencyStore::Verdict::kConflict) return KeyReused(key);
  if (claim.verdict == IdempotencyStore::Verdict::kNotKept) {
    return AnswerNotKept(key, services_.options.idempotency.max_entry_bytes);
  }
  // Callers of one call all know it by the same name.
  call_id_ = claim.call->traits().call_id;
  std::function<void()> run;
  if (claim.verdict == IdempotencyStore::Verdict::kFirst) {
    params->request = TakeRequest();
    params->affinity = AffinityOf(*route_, *params->request, metadata);
    run = [this, call = claim.call, asked = std::move(*params)]() mutable {
      call->Run(face().make_call(), std::move(asked));
    };
  }
  reader->Follow(claim.call, std::move(run));
  call_ = std::move(reader);
  return std::nullopt;
}

void CallRpc::Refuse(const CallInfo& info, CallError error) {
  CallRecord record = RefusedRecord(std::move(error), face().loop().Now());
  face().observer().CallStarted(info);
  face().observer().CallEnded(info, record);
  Finish(record);
}

void CallRpc::Finish(const CallRecord& record) {
  over_ = true;
  if (!gone()) Ended(record);
  MarkDirty();
}

void CallRpc::CallerGone() {
  if (Call* call = running_call()) call->Cancel();
}

void CallRpc::EndNow() {
  if (Call* call = running_call()) call->Stop();
}

void CallRpc::AtTurnEnd() {
  if (over_) call_.reset();
  Flush();
}

const StreamBounds& CallRpc::bounds() const {
  static const StreamBounds kDefaults;
  return route_ ? route_->stream : kDefaults;
}

grpc::Status CallRpc::StatusFor(const CallRecord& record) {
  if (auto pushback = RetryPushback(record)) context().AddTrailingMetadata(std::string(kPushbackKey), *pushback);
  return StatusOf(record, call_id_, route_name());
}

void CallRpc::BeginContent() { context().AddInitialMetadata(std::string(kCallIdKey), call_id_); }

void CallRpc::EndWithoutContent() { context().AddTrailingMetadata(std::string(kCallIdKey), call_id_); }

void UnaryCallRpc::AtTurnEnd() {
  if (overflowed()) {
    if (Call* call = running_call()) call->Cancel();
  }
  CallRpc::AtTurnEnd();
}

}  // namespace sluice

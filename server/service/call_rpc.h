// An RPC that runs one call of the engine and is its sink: what StreamChat,
// Chat and Embed have in common. Loop thread only.
//
// The engine's news of one turn is handed on at the end of the turn: what came
// in one read becomes one message, and a call is never destroyed from within.
#ifndef SLUICE_SERVER_SERVICE_CALL_RPC_H_
#define SLUICE_SERVER_SERVICE_CALL_RPC_H_

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/engine/call.h"
#include "server/engine/stream_sink.h"
#include "server/service/call_admission.h"
#include "server/service/face_services.h"
#include "server/service/rpc.h"

namespace sluice {

class CallRpc : public Rpc, public StreamSink {
 public:
  ~CallRpc() override;
  void Finish(const CallRecord& record) final;
  void EndNow() final;

 protected:
  // `method`: as in gateway.proto; keys of idempotency are scoped by it.
  CallRpc(FaceLoop& face, FaceServices& services, std::string_view method, CallTraits traits)
      : Rpc(face), services_(services), method_(method), traits_(traits) {}

  // --- of the method ---
  // Both before TakeRequest.
  virtual const google::protobuf::Message& message() const = 0;
  virtual std::string_view model() const = 0;
  // The first thing wrong with the request; then, with its route.
  virtual std::optional<CallError> Check() const = 0;
  virtual std::optional<CallError> CheckFor(const RouteConfig& route) const { return std::nullopt; }
  // Nothing refuses it as far as that can be told before its key is looked at;
  // its route is known and its message still here.
  virtual void Admitted() {}
  // The message as the engine sees it, once: it is no longer here then.
  virtual std::shared_ptr<const CallRequest> TakeRequest() = 0;
  // The caller is still there and is to be told how the call ended.
  virtual void Ended(const CallRecord& record) = 0;
  // Gives gRPC what it can take now.
  virtual void Flush() {}

  void Begin() final;
  void CallerGone() override;
  void AtTurnEnd() override;
  bool Settled() const final { return call_ == nullptr; }

  FaceServices& services() { return services_; }
  // Null once the engine has said its last.
  Call* running_call() { return over_ ? nullptr : call_.get(); }
  const std::string& call_id() const { return call_id_; }
  std::string_view route_name() const { return route_ ? std::string_view(route_->name) : std::string_view(); }
  // Its answer may be replayed.
  bool keyed() const { return keyed_; }
  const StreamBounds& bounds() const;
  // gRPC has the end: another call may take the place of this one, which waits
  // only for the word that it is done.
  void GiveBackSlot();
  // The status of the end, with its trailer set.
  grpc::Status StatusFor(const CallRecord& record);
  // Right before the first message is handed to gRPC, or in place of it before the
  // status. gRPC makes a status without messages and without initial metadata of
  // ours Trailers-Only by itself: only then does the caller's own gRPC retry, and
  // heed the pushback (gRFC A6).
  void BeginContent();
  void EndWithoutContent();

 private:
  // `bytes`: of the request.
  std::optional<CallError> Admit(const CallerMetadata& metadata, size_t bytes, CallParams* params);
  std::optional<CallError> TakeSlot(int64_t bytes);
  // Makes the call that runs for this RPC alone.
  void RunAlone(const CallerMetadata& metadata, CallParams params);
  // Makes this RPC a reader of the key's call, new or known. A new one takes
  // `params` over.
  std::optional<CallError> Follow(std::string_view key, const CallerMetadata& metadata, CallParams* params);
  Fingerprint FingerprintOfRequest(const CallerMetadata& metadata) const;
  void Refuse(const CallInfo& info, CallError error);

  FaceServices& services_;
  const std::string_view method_;
  const CallTraits traits_;
  int64_t slot_bytes_ = -1;  // -1: no slot was taken
  bool keyed_ = false;
  bool over_ = false;
  std::string call_id_;
  std::shared_ptr<const RouteConfig> route_;
  std::unique_ptr<Call> call_;
};

// A method whose answer is one message: nothing is shown before the end, so
// the engine may begin anew at any time.
class UnaryCallRpc : public CallRpc {
 public:
  // The bound of a whole answer is max_response_bytes, not this.
  size_t pending_bytes() const override { return 0; }
  bool shows_content() const override { return false; }
  // Nothing was shown that could be taken back.
  void Restart() override {}

 protected:
  using CallRpc::CallRpc;
  // The answer is over its bound; it ends at the end of the turn.
  virtual bool overflowed() = 0;
  void OperationDone(bool) override { GiveBackSlot(); }
  void AtTurnEnd() override;
};

// A message with the engine's view of it. gRPC parses it in place; what runs the
// call takes it over, for it may outlive this RPC, and lets go of it long before
// an answer ends.
template <typename Message>
class OwnedRequest {
 public:
  using Maker = std::unique_ptr<const CallRequest> (*)(const Message& message);

  Message& message() { return message_; }

  static std::shared_ptr<const CallRequest> View(std::shared_ptr<OwnedRequest> owned, Maker make) {
    owned->view_ = make(owned->message_);
    const CallRequest* view = owned->view_.get();
    return std::shared_ptr<const CallRequest>(std::move(owned), view);
  }

 private:
  Message message_;
  std::unique_ptr<const CallRequest> view_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALL_RPC_H_

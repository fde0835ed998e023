// Chat and StreamChat: an RPC that runs one call of the engine and is its
// sink. Loop thread only.
//
// The engine's news of one turn is handed on at the end of the turn: what came
// in one read becomes one message, and a call is never destroyed from within.
#ifndef SLUICE_SERVER_SERVICE_CHAT_RPC_H_
#define SLUICE_SERVER_SERVICE_CHAT_RPC_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/call.h"
#include "server/engine/stream_sink.h"
#include "server/service/answer_collector.h"
#include "server/service/face_services.h"
#include "server/service/pending_messages.h"
#include "server/service/rpc.h"

namespace sluice {

// What both have in common.
class ChatCallRpc : public Rpc, public StreamSink {
 public:
  ~ChatCallRpc() override;
  void Finish(const CallRecord& record) final;
  void EndNow() final;

 protected:
  ChatCallRpc(FaceLoop& face, FaceServices& services, bool streaming)
      : Rpc(face), services_(services), streaming_(streaming) {}

  // The caller is still there and is to be told how the call ended.
  virtual void Ended(const CallRecord& record) = 0;
  // Gives gRPC what it can take now.
  virtual void Flush() = 0;

  void Begin() final;
  void CallerGone() override;
  void AtTurnEnd() override;
  bool Settled() const final { return call_ == nullptr; }

  FaceServices& services() { return services_; }
  const v1::ChatRequest& request() const { return request_; }
  v1::ChatRequest* mutable_request() { return &request_; }
  // Null once the engine has said its last.
  Call* running_call() { return over_ ? nullptr : call_.get(); }
  const std::string& call_id() const { return call_id_; }
  std::string_view route_name() const { return route_ ? std::string_view(route_->name) : std::string_view(); }
  const StreamBounds& bounds() const;
  // The status of the end, with its trailer set.
  grpc::Status StatusFor(const CallRecord& record);

 private:
  void Refuse(const CallInfo& info, CallError error);

  FaceServices& services_;
  const bool streaming_;
  bool has_slot_ = false;
  bool over_ = false;
  v1::ChatRequest request_;
  std::string call_id_;
  std::shared_ptr<const RouteConfig> route_;
  std::unique_ptr<Call> call_;
};

class StreamChatRpc final : public ChatCallRpc {
 public:
  StreamChatRpc(FaceLoop& face, FaceServices& services);
  ~StreamChatRpc() override;

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  size_t pending_bytes() const override { return pending_.bytes() + writing_bytes_; }
  bool shows_content() const override { return true; }
  // Nothing shown can be taken back, so the engine has no cause to call this.
  void Discard() override {}

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next() override;
  void OperationDone(bool ok) override;
  void CallerGone() override;
  void Ended(const CallRecord& record) override;
  void Flush() override;
  void TellDrained();

  grpc::ServerAsyncWriter<v1::StreamChatResponse> writer_;
  PendingMessages pending_;
  size_t writing_bytes_ = 0;
  bool started_ = false;
  // The bytes rose above half of the bound since the engine was last told.
  bool above_half_ = false;
  // Set when the end is known; the last message carries it.
  std::optional<grpc::Status> status_;
};

class ChatRpc final : public ChatCallRpc {
 public:
  ChatRpc(FaceLoop& face, FaceServices& services);

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  // The bound of a whole answer is max_response_bytes, not this.
  size_t pending_bytes() const override { return 0; }
  bool shows_content() const override { return false; }
  void Discard() override;

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next() override;
  void AtTurnEnd() override;
  void Ended(const CallRecord& record) override;
  void Flush() override {}

  AnswerCollector& collector();

  grpc::ServerAsyncResponseWriter<v1::ChatResponse> writer_;
  std::optional<AnswerCollector> collector_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CHAT_RPC_H_

// Chat and StreamChat. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_CHAT_RPC_H_
#define SLUICE_SERVER_SERVICE_CHAT_RPC_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/service/answer_collector.h"
#include "server/service/call_rpc.h"
#include "server/service/coalescing_window.h"
#include "server/service/pending_messages.h"

namespace sluice {

class StreamChatRpc final : public CallRpc {
 public:
  StreamChatRpc(FaceLoop& face, FaceServices& services);

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  size_t pending_bytes() const override { return pending_.bytes() + writing_bytes_; }
  bool shows_content() const override { return true; }
  // Nothing shown can be taken back, so the engine has no cause to call this.
  void Discard() override {}
  void Restart() override;

 private:
  const google::protobuf::Message& message() const override { return request_->message(); }
  std::string_view model() const override { return request_->message().model(); }
  std::optional<CallError> Check() const override;
  void Admitted() override;
  std::shared_ptr<const CallRequest> TakeRequest() override;
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  void OperationDone(bool ok) override;
  void CallerGone() override;
  void Ended(const CallRecord& record) override;
  void Flush() override;
  void TellDrained();
  // What is pending waits for more of it to come.
  bool Waits();
  void ClearPending();

  std::shared_ptr<OwnedRequest<v1::ChatRequest>> request_;
  grpc::ServerAsyncWriter<v1::StreamChatResponse> writer_;
  PendingMessages pending_;
  std::unique_ptr<CoalescingWindow> window_;  // null: nothing ever waits
  size_t writing_bytes_ = 0;
  bool started_ = false;
  bool handed_ = false;  // gRPC has taken a message
  // What was shown is void; told together with who answers now.
  bool restarted_ = false;
  // The bytes rose above half of the bound since the engine was last told.
  bool above_half_ = false;
  // Set when the end is known; the last message carries it.
  std::optional<grpc::Status> status_;
};

class ChatRpc final : public UnaryCallRpc {
 public:
  ChatRpc(FaceLoop& face, FaceServices& services);

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  void Discard() override;

 private:
  const google::protobuf::Message& message() const override { return request_->message(); }
  std::string_view model() const override { return request_->message().model(); }
  std::optional<CallError> Check() const override;
  std::shared_ptr<const CallRequest> TakeRequest() override;
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  bool overflowed() override { return collector().overflowed(); }
  void Ended(const CallRecord& record) override;

  AnswerCollector& collector();

  std::shared_ptr<OwnedRequest<v1::ChatRequest>> request_;
  grpc::ServerAsyncResponseWriter<v1::ChatResponse> writer_;
  std::optional<AnswerCollector> collector_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CHAT_RPC_H_

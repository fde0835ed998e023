// A gateway in the test's own process: real gRPC, scripted answers.
#ifndef SLUICE_TESTS_CLIENT_FAKE_GATEWAY_H_
#define SLUICE_TESTS_CLIENT_FAKE_GATEWAY_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/grpcpp.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice::testing {

inline v1::ChatEvent Text(const std::string& text) {
  v1::ChatEvent event;
  event.mutable_content()->set_text(text);
  return event;
}

inline v1::ChatEvent EndEvent(v1::Outcome outcome) {
  v1::ChatEvent event;
  v1::End* end = event.mutable_end();
  end->set_outcome(outcome);
  end->set_served_by("openai/backup");
  v1::Attempt* failed = end->add_attempts();
  failed->set_upstream("openai");
  failed->set_endpoint("primary");
  failed->set_outcome("failed");
  failed->set_error_class("overload");
  failed->set_http_status(503);
  end->add_attempts()->set_outcome("ok");
  end->mutable_delivered()->set_output_tokens(118);
  return event;
}

// A status with the details that a gateway sends.
inline grpc::Status RichStatus(grpc::StatusCode code, const std::string& message, const std::string& reason) {
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(code));
  rich.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("sluice");
  (*info.mutable_metadata())["route"] = "chat";
  rich.add_details()->PackFrom(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(8);
  rich.add_details()->PackFrom(retry);
  v1::AttemptList list;
  *list.mutable_attempts() = EndEvent(v1::OUTCOME_FAILED).end().attempts();
  list.mutable_attempts()->RemoveLast();
  list.set_omitted(2);
  rich.add_details()->PackFrom(list);
  return grpc::Status(code, message, rich.SerializeAsString());
}

class FakeGateway final : public v1::Gateway::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext&, grpc::ServerWriter<v1::StreamChatResponse>&)>;

  FakeGateway() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeGateway() override { server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1)); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void set_script(Script script) { script_ = std::move(script); }
  void set_models(std::vector<std::string> models) { models_ = std::move(models); }
  // Every request so far.
  std::vector<v1::ChatRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  // The caller's cancellation arrived here.
  // Whether the caller's cancel arrived; waits for it, far longer than it takes.
  bool SawCancel() const {
    for (int i = 0; i < 3000 && !saw_cancel_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return saw_cancel_;
  }

  // Sends the events one message each.
  static void Send(grpc::ServerWriter<v1::StreamChatResponse>& writer, const std::vector<v1::ChatEvent>& events) {
    for (const v1::ChatEvent& event : events) {
      v1::StreamChatResponse message;
      *message.add_events() = event;
      writer.Write(message);
    }
  }

  // Sends `events` and then nothing, until the caller goes away.
  Script SendThenHang(std::vector<v1::ChatEvent> events) {
    return [this, events](grpc::ServerContext& context, auto& writer) {
      Send(writer, events);
      for (int i = 0; i < 1000 && !context.IsCancelled(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      saw_cancel_ = context.IsCancelled();
      return grpc::Status::CANCELLED;
    };
  }

 private:
  grpc::Status StreamChat(grpc::ServerContext* context, const v1::ChatRequest* request,
                          grpc::ServerWriter<v1::StreamChatResponse>* writer) override {
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(*request);
    }
    context->AddInitialMetadata("sluice-call-id", "call-1");
    return script_(*context, *writer);
  }

  grpc::Status Chat(grpc::ServerContext*, const v1::ChatRequest*, v1::ChatResponse* response) override {
    response->add_choices()->mutable_message()->add_parts()->set_text("whole");
    *response->mutable_end() = EndEvent(v1::OUTCOME_COMPLETE).end();
    return grpc::Status::OK;
  }

  grpc::Status Embed(grpc::ServerContext* context, const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override {
    // As every call that fails before content has it.
    if (request->inputs_size() == 0) context->AddTrailingMetadata("sluice-call-id", "call-2");
    if (request->inputs_size() == 0) return RichStatus(grpc::StatusCode::INVALID_ARGUMENT, "no inputs", "INVALID_REQUEST");
    for (int i = 0; i < request->inputs_size(); ++i) response->add_embeddings()->add_values(static_cast<float>(i));
    *response->mutable_end() = EndEvent(v1::OUTCOME_COMPLETE).end();
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    for (const std::string& name : models_) response->add_models()->set_name(name);
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  Script script_;
  std::vector<std::string> models_;
  mutable std::mutex mutex_;
  std::vector<v1::ChatRequest> requests_;
  std::atomic<bool> saw_cancel_{false};
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CLIENT_FAKE_GATEWAY_H_

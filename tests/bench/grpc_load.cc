#include "tests/bench/grpc_load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "sluice/v1/gateway.grpc.pb.h"
#include "tests/bench/schedule.h"
#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

using Stub = v1::Gateway::Stub;

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const LoadPlan& plan) {
  if (plan.ca_file.empty()) return grpc::InsecureChannelCredentials();
  std::stringstream authorities;
  authorities << std::ifstream(plan.ca_file).rdbuf();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authorities.str();
  return grpc::SslCredentials(options);
}

std::unique_ptr<Stub> NewStub(const LoadPlan& plan) {
  grpc::ChannelArguments arguments;
  // Else all channels to one address share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const std::string address = plan.host + ":" + std::to_string(plan.port);
  return v1::Gateway::NewStub(grpc::CreateCustomChannel(address, CredentialsOf(plan), arguments));
}

v1::ChatRequest RequestOf(const LoadPlan& plan, const Call& call) {
  v1::ChatRequest request;
  request.set_model(ModelOf(plan, call.answer));
  v1::Message* message = request.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text(Prompt(call.answer, call.number, plan.prompt_bytes));
  return request;
}

void AddRoute(const LoadPlan& plan, grpc::ClientContext& context) {
  if (!plan.route.empty()) context.AddMetadata("sluice-route", plan.route);
}

class GrpcCaller : public Caller {
 public:
  // `request` is that of every call that needs no number.
  GrpcCaller(size_t index, Stub& stub, const LoadPlan& plan, const v1::ChatRequest& request,
             grpc::CompletionQueue& queue, Recorder& recorder)
      : Caller(index), stub_(stub), plan_(plan), request_(request), queue_(queue), recorder_(recorder) {}

  void Start(const Call& call) override {
    context_.emplace();
    AddRoute(plan_, *context_);
    complete_ = false;
    cancelled_ = false;
    state_ = State::kStarting;
    const bool numbered = call.answer.numbered();
    const v1::ChatRequest own = numbered ? RequestOf(plan_, call) : v1::ChatRequest();
    progress_.Start(NowNs());
    reader_ = stub_.AsyncStreamChat(&*context_, numbered ? own : request_, &queue_, this);
  }

  bool Cancel() override {
    cancelled_ = true;
    context_->TryCancel();
    return false;
  }

  // False when the call has ended.
  bool Advance(bool ok) {
    if (state_ == State::kFinishing) {
      End();
      return false;
    }
    if (ok && state_ == State::kReading) OnResponse();
    if (ok) {
      state_ = State::kReading;
      reader_->Read(&response_, this);
    } else {
      state_ = State::kFinishing;
      reader_->Finish(&status_, this);
    }
    return true;
  }

 private:
  enum class State { kStarting, kReading, kFinishing };

  void OnResponse() {
    const int64_t now = NowNs();
    recorder_.OnMessage();
    for (const v1::ChatEvent& event : response_.events()) {
      if (event.has_content()) recorder_.OnText(event.content().text(), progress_, now);
      if (event.has_end()) complete_ = event.end().outcome() == v1::OUTCOME_COMPLETE;
    }
  }

  void End() {
    reader_.reset();
    if (cancelled_) return;
    if (plan_.failing) return status_.ok() ? recorder_.OnError("a call did not fail") : recorder_.OnFailure();
    if (!status_.ok()) return recorder_.OnFailed(status_.error_message());
    if (!complete_) return recorder_.OnFailed("a stream without a complete end");
    recorder_.OnEnd(progress_);
  }

  Stub& stub_;
  const LoadPlan& plan_;
  const v1::ChatRequest& request_;
  grpc::CompletionQueue& queue_;
  Recorder& recorder_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::StreamChatResponse>> reader_;
  v1::StreamChatResponse response_;
  grpc::Status status_;
  State state_ = State::kStarting;
  bool complete_ = false;
  bool cancelled_ = false;
};

// One call to the end on every connection: what connecting costs is not asked.
void WarmUp(const std::vector<std::unique_ptr<Stub>>& stubs, const LoadPlan& plan, Recorder& recorder) {
  const v1::ChatRequest request = RequestOf(plan, {});
  for (const auto& stub : stubs) {
    grpc::ClientContext context;
    AddRoute(plan, context);
    v1::StreamChatResponse response;
    auto reader = stub->StreamChat(&context, request);
    while (reader->Read(&response)) {
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok() && !plan.failing) recorder.OnError("warm-up: " + status.error_message());
    if (stub == stubs.front()) recorder.OnFirstAnswer();
  }
}

}  // namespace

void RunGrpcLoad(const LoadPlan& plan, Recorder& recorder) {
  const int connections = plan.connections > 0 ? std::min(plan.connections, plan.streams) : plan.streams;
  std::vector<std::unique_ptr<Stub>> stubs;
  for (int i = 0; i < connections; ++i) stubs.push_back(NewStub(plan));
  WarmUp(stubs, plan, recorder);

  const v1::ChatRequest request = RequestOf(plan, {0, plan.answer});
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Caller>> callers;
  std::vector<Caller*> seats;
  for (int i = 0; i < plan.streams; ++i) {
    callers.push_back(std::make_unique<GrpcCaller>(i, *stubs[i % stubs.size()], plan, request, queue, recorder));
    seats.push_back(callers.back().get());
  }
  Schedule schedule(plan, recorder, seats);
  recorder.Begin();
  for (;;) {
    const int64_t now = NowNs();
    const int64_t sleep = std::max<int64_t>(schedule.Step(now) - now, 0);
    if (schedule.over()) break;
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(sleep, GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* caller = static_cast<GrpcCaller*>(tag);
    if (!caller->Advance(ok)) schedule.Ended(*caller);
  }
  queue.Shutdown();
}

}  // namespace sluice::bench

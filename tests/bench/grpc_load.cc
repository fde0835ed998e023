#include "tests/bench/grpc_load.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "sluice/v1/gateway.grpc.pb.h"
#include "tests/bench/stamp.h"

namespace sluice::bench {
namespace {

using Stub = v1::Gateway::Stub;

std::unique_ptr<Stub> NewStub(const LoadPlan& plan) {
  grpc::ChannelArguments arguments;
  // Else all channels to one address share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const std::string address = plan.host + ":" + std::to_string(plan.port);
  return v1::Gateway::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

v1::ChatRequest RequestOf(const LoadPlan& plan) {
  v1::ChatRequest request;
  request.set_model(ModelOf(plan, plan.answer));
  v1::Message* message = request.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text(std::string(plan.prompt_bytes, 'x'));
  return request;
}

void AddRoute(const LoadPlan& plan, grpc::ClientContext& context) {
  if (!plan.route.empty()) context.AddMetadata("sluice-route", plan.route);
}

// One slot: one call after the other.
class Stream {
 public:
  Stream(Stub& stub, const LoadPlan& plan, const v1::ChatRequest& request, grpc::CompletionQueue& queue,
         Recorder& recorder)
      : stub_(stub), plan_(plan), request_(request), queue_(queue), recorder_(recorder) {}

  int64_t started_ns() const { return progress_.started_ns; }

  void Start() {
    context_.emplace();
    AddRoute(plan_, *context_);
    complete_ = false;
    state_ = State::kStarting;
    progress_.Start(NowNs());
    reader_ = stub_.AsyncStreamChat(&*context_, request_, &queue_, this);
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
    if (plan_.failing) return status_.ok() ? recorder_.OnError("a call did not fail") : recorder_.OnFailure();
    if (!status_.ok()) return recorder_.OnError(status_.error_message());
    if (!complete_) return recorder_.OnError("a stream without a complete end");
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
  StreamProgress progress_;
  bool complete_ = false;
};

// One call to the end on every connection: what connecting costs is not asked.
void WarmUp(const std::vector<std::unique_ptr<Stub>>& stubs, const LoadPlan& plan, Recorder& recorder) {
  LoadPlan one = plan;
  one.answer = AnswerScript{};
  const v1::ChatRequest request = RequestOf(one);
  for (const auto& stub : stubs) {
    grpc::ClientContext context;
    AddRoute(plan, context);
    v1::StreamChatResponse response;
    auto reader = stub->StreamChat(&context, request);
    while (reader->Read(&response)) {
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok() && !plan.failing) recorder.OnError("warm-up: " + status.error_message());
  }
}

// Ended streams and when they begin anew, the first to do so on top.
using Resting = std::priority_queue<std::pair<int64_t, Stream*>, std::vector<std::pair<int64_t, Stream*>>,
                                    std::greater<std::pair<int64_t, Stream*>>>;

}  // namespace

void RunGrpcLoad(const LoadPlan& plan, Recorder& recorder) {
  const int connections = plan.connections > 0 ? std::min(plan.connections, plan.streams) : plan.streams;
  std::vector<std::unique_ptr<Stub>> stubs;
  for (int i = 0; i < connections; ++i) stubs.push_back(NewStub(plan));
  WarmUp(stubs, plan, recorder);

  const v1::ChatRequest request = RequestOf(plan);
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Stream>> streams;
  Resting resting;
  recorder.Begin();
  int open = 0;
  for (;;) {
    const int64_t now = NowNs();
    recorder.Tick(now);
    const bool more = static_cast<int>(streams.size()) < plan.streams;
    if (more && recorder.StartOf(static_cast<int>(streams.size())) <= now) {
      Stub& stub = *stubs[streams.size() % stubs.size()];
      streams.push_back(std::make_unique<Stream>(stub, plan, request, queue, recorder));
      streams.back()->Start();
      ++open;
      continue;
    }
    if (!recorder.running()) resting = Resting();
    if (!resting.empty() && resting.top().first <= now) {
      Stream* stream = resting.top().second;
      resting.pop();
      stream->Start();
      ++open;
      continue;
    }
    if (!more && open == 0 && resting.empty()) break;
    int64_t wake = recorder.next_ns();
    if (more) wake = std::min(wake, recorder.StartOf(static_cast<int>(streams.size())));
    if (!resting.empty()) wake = std::min(wake, resting.top().first);
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(std::max<int64_t>(wake - now, 0), GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) continue;
    auto* stream = static_cast<Stream*>(tag);
    if (stream->Advance(ok)) continue;
    --open;
    if (plan.repeat && recorder.running()) resting.emplace(stream->started_ns() + plan.period_us * 1000, stream);
  }
  queue.Shutdown();
}

}  // namespace sluice::bench

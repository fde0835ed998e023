// cost_engine: a bounded run of a call's whole way less gRPC and sockets, to be
// counted by callgrind (tests/cost/run). HTTP bytes → parser → codec → engine
// with the states of a policy → the face's pending messages → bytes, with the
// observers of the data plane. Always the same: seeded, its time is its own.
//
// CostMark is called before each part and after the last; callgrind is told to
// dump there. The parts' names go to stdout, in order.
#include <grpcpp/server_context.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/command/live_counters.h"
#include "server/config/policy_file.h"
#include "server/engine/call.h"
#include "server/service/call_admission.h"
#include "server/service/request_check.h"
#include "server/telemetry/attempt_log.h"
#include "server/telemetry/call_metrics.h"
#include "server/telemetry/observer_fan_out.h"
#include "sluice/v1/gateway.pb.h"
#include "tests/cost/cost_loop.h"
#include "tests/cost/fed_transport.h"
#include "tests/cost/message_sink.h"

// Callgrind finds it by this name.
extern "C" __attribute__((noinline)) void CostMark() { asm volatile(""); }

namespace sluice::cost {
namespace {

constexpr size_t kChunkBytes = 274;  // what providers send for a token, within a few bytes
constexpr Duration kChunkInterval = absl::Milliseconds(20);

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "cost_engine: " << what << "\n";
  std::exit(1);
}

// One part: so many calls of this kind, one after the other.
struct Part {
  std::string name;
  int calls = 20;
  int chunks = 1;
  bool merged = false;     // the chunks of an answer come in one read
  int failing_every = 0;   // of every so many calls one has a failed attempt first
  size_t prompt_bytes = 1024;
};

// What a guard is tested with: cost that is not there otherwise.
struct Burden {
  int chunk_loops = 0;
  int chunk_allocations = 0;
  int call_loops = 0;

  static void Loop(int times) {
    for (int i = 0; i < times; ++i) asm volatile("");
  }
  void OnChunk() const {
    Loop(chunk_loops);
    for (int i = 0; i < chunk_allocations; ++i) free(Opaque(malloc(64)));
  }
  void OnCall() const { Loop(call_loops); }

 private:
  static void* Opaque(void* pointer) {
    asm volatile("" : "+r"(pointer));
    return pointer;
  }
};

class Answers {
 public:
  Answers() {
    role_ = HttpChunk(Event(R"({"role":"assistant","content":""})", "null"));
    chunk_ = HttpChunk(Event(R"({"content":" stream"})", "null"));
    end_ = HttpChunk(Event("{}", R"("stop")")) +
           HttpChunk("data: {\"id\":\"chatcmpl-9f2d7c1b4e6a8053\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                     "\"model\":\"chat-large-2024-08-06\",\"choices\":[],\"usage\":{\"prompt_tokens\":256,"
                     "\"completion_tokens\":100,\"total_tokens\":356}}\n\n") +
           HttpChunk("data: [DONE]\n\n") + "0\r\n\r\n";
  }

  static constexpr std::string_view kHead =
      "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
      "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nx-request-id: req_0123456789abcdef\r\n\r\n";
  static constexpr std::string_view kOverload =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 66\r\n\r\n"
      R"({"error":{"message":"The engine is overloaded","type":"overload"}})";

  const std::string& role() const { return role_; }
  const std::string& chunk() const { return chunk_; }
  const std::string& end() const { return end_; }

 private:
  static std::string HttpChunk(const std::string& data) {
    char size[16];
    std::snprintf(size, sizeof(size), "%zx\r\n", data.size());
    return size + data + "\r\n";
  }
  static std::string Event(const std::string& delta, const std::string& finish_reason) {
    const std::string head =
        R"(data: {"id":"chatcmpl-9f2d7c1b4e6a8053","object":"chat.completion.chunk","created":1700000000,)"
        R"("model":"chat-large-2024-08-06","service_tier":"default","system_fingerprint":"fp_)";
    const std::string tail =
        R"(","choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":)" + finish_reason + "}]}\n\n";
    const size_t bare = head.size() + tail.size();
    return head + std::string(kChunkBytes > bare ? kChunkBytes - bare : 0, '0') + tail;
  }

  std::string role_, chunk_, end_;
};

// What a data plane has for one loop, and the calls on it.
class Plane {
 public:
  Plane(const std::string& policy, Burden burden);
  void Run(const Part& part);
  size_t bytes() const { return bytes_ + transport_.sent_bytes(); }

 private:
  void RunCall(const Part& part, const v1::ChatRequest& request, bool failing);
  CallParams Admit(const v1::ChatRequest& request);
  void FailOnce(MessageSink& sink);
  void Answer(const Part& part, MessageSink& sink);
  FedExchange& Exchange();
  void Feed(std::string_view bytes, MessageSink& sink);

  const Burden burden_;
  const Answers answers_;
  CostLoop loop_;
  FedTransport transport_;
  Random random_{20261122};
  CallMetricsCollector metrics_;
  LineWriter writer_{{}, [](std::string_view lines) { return lines.size(); }, [](LineSort, uint64_t) { return ""; }};
  AttemptLog log_{AttemptLogOptions(), writer_, [] { return absl::FromUnixSeconds(1'767'225'600); }};
  LiveCounters live_;
  ObserverFanOut observer_{{&metrics_.AddLoop(), &log_.AddLoop(), &live_.AddLoop()}};
  EngineContext context_{loop_, transport_, random_, observer_};
  PolicyCompiler compiler_{ConfigAllowLists()};
  std::shared_ptr<const RouteTable> table_;
  MessagePool messages_;
  grpc::ServerContext caller_;  // one that sent no metadata
  std::string whole_answer_;
  size_t bytes_ = 0;
};

Plane::Plane(const std::string& policy, Burden burden) : burden_(burden) {
  PolicyFileResult loaded = LoadPolicyFile(policy, 1, compiler_, loop_.Now());
  if (loaded.table == nullptr) Die(loaded.errors.front());
  table_ = std::move(loaded.table);
  table_->ConfigureStates(loop_.Now());
}

void Plane::Run(const Part& part) {
  whole_answer_.clear();
  if (part.merged) {
    for (int i = 0; i < part.chunks; ++i) whole_answer_ += answers_.chunk();
  }
  v1::ChatRequest request;
  request.set_model("chat");
  v1::Message* message = request.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text(std::string(part.prompt_bytes, 'x'));
  for (int i = 0; i < part.calls; ++i) {
    RunCall(part, request, part.failing_every > 0 && i % part.failing_every == 0);
  }
}

// As CallRpc::Admit and CallRpc::RunAlone do.
CallParams Plane::Admit(const v1::ChatRequest& request) {
  CallParams params;
  const CallerMetadata metadata(caller_);
  Welcome({"chat", true}, metadata, random_, &params);
  params.info.tenant = "team-a";
  if (auto fault = CheckChatRequest(request)) Die(fault->message);
  if (auto fault = FindRoute(request.model(), metadata, table_.get(), &params)) Die(fault->message);
  params.request = NewChatCallRequest(request);
  params.affinity = AffinityOf(*params.route, *params.request, metadata);
  params.deadline = loop_.Now() + absl::Minutes(1);
  return params;
}

void Plane::RunCall(const Part& part, const v1::ChatRequest& request, bool failing) {
  burden_.OnCall();
  CallParams params = Admit(request);
  MessageSink sink(messages_, params.info.call_id, table_->routes().front()->name);
  std::unique_ptr<Call> call = NewCall(context_, std::move(params), sink);
  call->Start();
  loop_.Turn();
  if (failing) FailOnce(sink);
  Answer(part, sink);
  if (!sink.complete() || sink.attempts() != (failing ? 2 : 1)) Die(part.name + ": a call did not go as it should");
  call.reset();
  // What the last turn left.
  loop_.Advance(kChunkInterval);
  bytes_ += sink.written_bytes();
}

FedExchange& Plane::Exchange() {
  if (transport_.exchange() == nullptr) Die("no attempt was made");
  return *transport_.exchange();
}

void Plane::Feed(std::string_view bytes, MessageSink& sink) {
  Exchange().Feed(bytes);
  loop_.Turn();
  sink.Flush();
}

void Plane::FailOnce(MessageSink& sink) {
  Exchange().Connect();
  Feed(Answers::kOverload, sink);
  // Longer than the policy's backoff.
  loop_.Advance(kChunkInterval);
}

void Plane::Answer(const Part& part, MessageSink& sink) {
  Exchange().Connect();
  Feed(Answers::kHead, sink);
  loop_.Advance(kChunkInterval);
  Feed(answers_.role(), sink);
  if (part.merged) {
    for (int i = 0; i < part.chunks; ++i) burden_.OnChunk();
    Feed(whole_answer_, sink);
  } else {
    for (int i = 0; i < part.chunks; ++i) {
      burden_.OnChunk();
      Feed(answers_.chunk(), sink);
      loop_.Advance(kChunkInterval);
    }
  }
  Feed(answers_.end(), sink);
}

// Names and numbers are those of tests/cost/figures.
std::vector<Part> Parts() {
  return {
      {.name = "calls_20"},
      {.name = "calls_120", .calls = 120},
      {.name = "chunks_101", .chunks = 101},
      {.name = "merged_101", .chunks = 101, .merged = true},
      {.name = "failing_120", .calls = 120, .failing_every = 3},
      {.name = "prompt_101k", .prompt_bytes = 101 << 10},
  };
}

int Run(const std::string& policy, Burden burden) {
  Plane plane(policy, burden);
  // Pools, tables and scratch buffers are as large as they get after this.
  for (Part part : Parts()) {
    part.calls = 20;
    plane.Run(part);
  }
  for (const Part& part : Parts()) {
    CostMark();
    plane.Run(part);
    std::cout << part.name << "\n";
  }
  CostMark();
  // So that nothing of it can be left out.
  std::cout << "bytes " << plane.bytes() << std::endl;
  return 0;
}

}  // namespace
}  // namespace sluice::cost

int main(int argc, char** argv) {
  CLI::App app("cost_engine: a bounded run of calls without gRPC and sockets, to be counted by tests/cost/run");
  std::string policy;
  sluice::cost::Burden burden;
  app.add_option("--policy", policy, "Policy file with a route for model chat")->required();
  app.add_option("--chunk-loops", burden.chunk_loops, "Cost to add to each chunk, for tests of the guard");
  app.add_option("--chunk-allocations", burden.chunk_allocations, "Allocations to add to each chunk");
  app.add_option("--call-loops", burden.call_loops, "Cost to add to each call");
  CLI11_PARSE(app, argc, argv);
  return sluice::cost::Run(policy, burden);
}

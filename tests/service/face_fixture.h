// A whole gRPC face over real sockets, with two loops and the fake engine.
#ifndef SLUICE_TESTS_SERVICE_FACE_FIXTURE_H_
#define SLUICE_TESTS_SERVICE_FACE_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime/epoll_loop.h"
#include "server/service/gateway_face.h"
#include "sluice/v1/gateway.grpc.pb.h"
#include "tests/service/fake_engine.h"

namespace sluice {

// Routes: "default" for every model, "named" for model "chat-small", "vip" for
// tenant "vip".
inline std::shared_ptr<const RouteTable> TestTable() {
  std::vector<std::shared_ptr<const RouteConfig>> routes;
  auto add = [&](const char* name, const char* model, const char* tenant) {
    auto route = std::make_shared<RouteConfig>();
    route->name = name;
    route->model = model;
    route->tenant = tenant;
    route->stream.max_pending_bytes = 64 << 10;
    route->stream.max_response_bytes = 4096;
    routes.push_back(std::move(route));
  };
  add("default", "*", "");
  add("named", "chat-small", "");
  add("vip", "vip-model", "vip");
  return std::make_shared<RouteTable>("epoch", 1, std::move(routes));
}

struct CountingObserver final : CallObserver {
  void CallStarted(const CallInfo&) override { ++calls; }
  std::atomic<int> calls{0};
};

class FaceFixture : public testing::Test {
 protected:
  void StartFace(FaceOptions options = {}) {
    options.listen = "127.0.0.1:0";
    options.drain_grace = drain_grace_;
    std::vector<FaceLoopParams> params;
    for (int i = 0; i < 2; ++i) {
      loops_.push_back(std::make_unique<EpollLoop>());
      EpollLoop* loop = loops_.back().get();
      threads_.emplace_back([loop, i] {
        pthread_setname_np(pthread_self(), absl::StrCat("face-loop-", i).c_str());
        loop->Run();
      });
      FaceLoopParams one;
      one.loop = loop;
      one.observer = &observer_;
      one.seed = static_cast<uint64_t>(i) + 1;
      one.make_call = [loop, this](CallParams call, StreamSink& sink) {
        return std::make_unique<FakeCall>(*loop, std::move(call), sink, figures_);
      };
      params.push_back(std::move(one));
    }
    face_ = std::make_unique<GatewayFace>(options, std::move(params));
    absl::Status served = face_->Serve(tables_);
    ASSERT_TRUE(served.ok()) << served.ToString();
  }

  void SetTables() { tables_.Set(TestTable()); }

  void StopFace() {
    if (face_ == nullptr) return;
    face_->Close();
    for (auto& loop : loops_) loop->Stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    face_.reset();
    loops_.clear();
  }

  void TearDown() override {
    StopFace();
    EXPECT_EQ(figures_.alive, 0) << "calls were left behind";
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", face_->port()); }

  // Of its own connection.
  std::shared_ptr<grpc::Channel> NewChannel(grpc::ChannelArguments arguments = {}) const {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  }
  std::unique_ptr<v1::Gateway::Stub> NewStub() const { return v1::Gateway::NewStub(NewChannel()); }

  static v1::ChatRequest Ask(const std::string& model) {
    v1::ChatRequest request;
    request.set_model(model);
    auto* message = request.add_messages();
    message->set_role(v1::ROLE_USER);
    message->set_text("hi");
    return request;
  }

  template <typename F>
  static bool Eventually(F condition, std::chrono::milliseconds limit = std::chrono::seconds(5)) {
    auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  // Most tests' callers are done when they stop.
  Duration drain_grace_ = absl::ZeroDuration();
  FakeEngineFigures figures_;
  CountingObserver observer_;
  RouteTableSource tables_;
  std::vector<std::unique_ptr<EpollLoop>> loops_;
  std::vector<std::thread> threads_;
  std::unique_ptr<GatewayFace> face_;
};

// What a caller got of one stream.
struct Answer {
  std::string text;
  int messages = 0;
  int events = 0;
  bool started_first = false;
  int ends = 0;
  bool end_last = false;
  v1::End end;
  grpc::Status status;
};

inline Answer ReadAll(v1::Gateway::Stub& stub, grpc::ClientContext& context, const v1::ChatRequest& request) {
  Answer answer;
  auto reader = stub.StreamChat(&context, request);
  v1::StreamChatResponse response;
  while (reader->Read(&response)) {
    ++answer.messages;
    for (const auto& event : response.events()) {
      if (answer.events++ == 0) answer.started_first = event.has_started();
      if (event.has_content()) answer.text += event.content().text();
      answer.end_last = event.has_end();
      if (event.has_end()) {
        ++answer.ends;
        answer.end = event.end();
      }
    }
  }
  answer.status = reader->Finish();
  return answer;
}

inline std::string Words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    std::string number = std::to_string(i);
    text += "w" + std::string(8 - number.size(), '0') + number + " ";
  }
  return text;
}

}  // namespace sluice

#endif  // SLUICE_TESTS_SERVICE_FACE_FIXTURE_H_

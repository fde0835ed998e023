// A transport on a real loop, run by the test until something holds, and an
// observer that writes down what it hears.
#ifndef SLUICE_TESTS_UPSTREAM_TRANSPORT_HARNESS_H_
#define SLUICE_TESTS_UPSTREAM_TRANSPORT_HARNESS_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/runtime/epoll_loop.h"
#include "server/upstream/pooled_transport.h"
#include "tests/support/scripted_server.h"

namespace sluice {

class Recorder : public HttpExchangeObserver {
 public:
  void OnConnected(bool reused) override { Hear(reused ? "reused" : "connected"); }
  void OnHead(const HttpHead& head) override {
    content_type = std::string(head.header("content-TYPE"));
    Hear("head " + std::to_string(head.status()));
  }
  void OnBody(std::string_view bytes) override {
    body.append(bytes);
    // However it was cut: one entry.
    if (!events.empty() && events.back() == "body") {
      if (on_event) on_event("body");
      return;
    }
    Hear("body");
  }
  void OnEnd() override {
    done = true;
    Hear("end");
  }
  void OnFailure(HttpFailure kind, std::string_view text) override {
    done = true;
    failure = kind;
    message = std::string(text);
    Hear("failure");
  }

  bool ended() const { return done && message.empty(); }

  std::vector<std::string> events;
  std::string body;
  std::string content_type;
  std::string message;
  HttpFailure failure{};
  bool done = false;
  std::function<void(const std::string&)> on_event;

 private:
  void Hear(std::string event) {
    events.push_back(event);
    if (on_event) on_event(event);
  }
};

// One exchange and what was heard of it.
struct Call {
  void Start(PooledHttpTransport& transport, HttpRequest request) {
    const uint64_t reuses = Reuses(transport);
    exchange = transport.Start(std::move(request), &heard);
    EXPECT_TRUE(heard.events.empty()) << "an observer was called from within Start";
    // Not told where it happened at once.
    if (!exchange->sent_at_start()) return;
    heard.events.push_back(Reuses(transport) > reuses ? "reused" : "connected");
  }

  static uint64_t Reuses(const PooledHttpTransport& transport) {
    uint64_t reuses = 0;
    for (const PoolStats& stats : transport.Stats()) reuses += stats.reuses;
    return reuses;
  }

  Recorder heard;
  std::unique_ptr<HttpExchange> exchange;
};

class TransportTest : public ::testing::Test {
 protected:
  // False if it did not hold within five seconds.
  bool RunUntil(std::function<bool()> holds) {
    const TimePoint deadline = loop_.Now() + absl::Seconds(5);
    loop_.SetAfterTurn([&] {
      if (holds() || loop_.Now() > deadline) loop_.Stop();
      return absl::Milliseconds(1);
    });
    loop_.Run();
    loop_.SetAfterTurn(nullptr);
    return holds();
  }
  void RunFor(Duration time) {
    const TimePoint end = loop_.Now() + time;
    RunUntil([&] { return loop_.Now() >= end; });
  }

  static std::shared_ptr<HttpEndpoint> Endpoint(uint16_t port) {
    auto endpoint = std::make_shared<HttpEndpoint>();
    endpoint->host = "127.0.0.1";
    endpoint->port = port;
    endpoint->base_path = "/v1";
    return endpoint;
  }
  static HttpRequest Request(std::shared_ptr<HttpEndpoint> endpoint,
                             std::string body = R"({"stream":true})") {
    HttpRequest request;
    request.endpoint = std::move(endpoint);
    request.path = "/chat/completions";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = std::make_shared<const std::string>(std::move(body));
    return request;
  }

  std::unique_ptr<Call> Start(std::shared_ptr<HttpEndpoint> endpoint,
                              std::string body = R"({"stream":true})") {
    auto call = std::make_unique<Call>();
    call->Start(*transport_, Request(std::move(endpoint), std::move(body)));
    return call;
  }
  // Runs it to its end.
  std::unique_ptr<Call> Run(std::shared_ptr<HttpEndpoint> endpoint) {
    auto call = Start(std::move(endpoint));
    EXPECT_TRUE(RunUntil([&] { return call->heard.done; }));
    return call;
  }

  PoolStats Stats() {
    const std::vector<PoolStats> all = transport_->Stats();
    return all.empty() ? PoolStats() : all[0];
  }

  EpollLoop loop_;
  TransportOptions options_;
  std::unique_ptr<PooledHttpTransport> transport_ =
      std::make_unique<PooledHttpTransport>(loop_, options_);
};

inline constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
inline constexpr char kChunked[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "6\r\nhello \r\n5;a=\"b;c\"\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n";

}  // namespace sluice

#endif  // SLUICE_TESTS_UPSTREAM_TRANSPORT_HARNESS_H_

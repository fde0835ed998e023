#include "proto/metrics_server/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/metrics_server/raw_caller.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// One gauge; what it does before is the test's.
class Counted : public prometheus::Collectable {
 public:
  explicit Counted(std::function<void(int nth)> before = [](int) {}) : before_(std::move(before)) {}
  std::vector<prometheus::MetricFamily> Collect() const override {
    const int nth = ++collected_;
    before_(nth);
    prometheus::MetricFamily family{"nth", "Help.", prometheus::MetricType::Gauge, {}};
    family.metric.emplace_back().gauge.value = nth;
    return {family};
  }
  int collected() const { return collected_; }

 private:
  const std::function<void(int)> before_;
  mutable std::atomic<int> collected_{0};
};

std::unique_ptr<MetricsServer> Started(const MetricsServerOptions& options = {}) {
  auto server = MetricsServer::Start("127.0.0.1:0", options);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

TEST(MetricsServerTest, ServesWhatCollectorsGive) {
  const auto server = Started();
  server->Register(std::make_shared<Counted>());
  const std::string answer = Get(server->port(), "/metrics");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                            HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                            HasSubstr("# TYPE nth gauge\nnth 1\n")));
}

struct PathCase {
  const char* name;
  std::string method;
  std::string path;
  std::string status;
  std::string body;
};

class MetricsServerPathTest : public testing::TestWithParam<PathCase> {};

TEST_P(MetricsServerPathTest, AnswersAndKeepsTheConnection) {
  const auto server = Started();
  server->SetReadiness([] { return ""; });
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  for (int i = 0; i < 2; ++i) {
    caller.Ask(GetParam().path, "", GetParam().method);
    const std::string answer = caller.Answer(GetParam().method != "HEAD");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + GetParam().status + "\r\n"));
    EXPECT_THAT(answer, HasSubstr(GetParam().body));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, MetricsServerPathTest,
    testing::Values(PathCase{"Index", "GET", "/", "200 OK", "/metrics"},
                    PathCase{"Health", "GET", "/healthz", "200 OK", "\r\n\r\nok\n"},
                    PathCase{"Ready", "GET", "/readyz?verbose", "200 OK", "\r\n\r\nok\n"},
                    PathCase{"Unknown", "GET", "/metricsx", "404 Not Found", "/metrics"},
                    PathCase{"Post", "POST", "/metrics", "405 Method Not Allowed", "Allow: GET, HEAD\r\n"},
                    PathCase{"Odd", "BREW", "/healthz", "405 Method Not Allowed", "only GET and HEAD"},
                    PathCase{"Head", "HEAD", "/healthz", "200 OK", "Content-Length: 3\r\n"}),
    [](const auto& info) { return info.param.name; });

TEST(MetricsServerTest, AHeadOfThePageHasItsLengthAndNoBody) {
  const auto server = Started();
  server->Register(std::make_shared<Counted>());
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Ask("/metrics", "Connection: close\r\n", "HEAD");
  EXPECT_THAT(caller.ToTheEnd(), AllOf(HasSubstr("Content-Length: 4"), EndsWith("Connection: close\r\n\r\n")));
}

TEST(MetricsServerTest, TellsWhyItIsNotReady) {
  const auto server = Started();
  EXPECT_THAT(Get(server->port(), "/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\nstarting\n")));
  std::atomic<bool> ready{false};
  server->SetReadiness([&] { return ready ? "" : "no policies are in force yet"; });
  EXPECT_THAT(Get(server->port(), "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("no policies are in force yet\n")));
  EXPECT_THAT(Get(server->port(), "/healthz"), StartsWith("HTTP/1.1 200 ")) << "it lives all the same";
  ready = true;
  EXPECT_THAT(Get(server->port(), "/readyz"), StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsServerTest, CompressesForWhoAsksForIt) {
  const auto server = Started();
  server->Register(std::make_shared<Counted>());
  EXPECT_THAT(Get(server->port(), "/metrics", "Accept-Encoding: gzip\r\n"),
              AllOf(HasSubstr("Content-Encoding: gzip\r\n"), HasSubstr("\r\n\r\n\x1f\x8b"), Not(HasSubstr("nth"))));
  EXPECT_THAT(Get(server->port(), "/metrics"), AllOf(Not(HasSubstr("Content-Encoding")), HasSubstr("\nnth 2\n")));
}

TEST(MetricsServerTest, RequestsSentAtOnceAreAnsweredInTurn) {
  const auto server = Started();
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(caller.Answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(caller.ToTheEnd(), StartsWith("HTTP/1.1 404 "));
}

TEST(MetricsServerTest, AnOldCallersConnectionIsClosed) {
  const auto server = Started();
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_THAT(caller.ToTheEnd(), EndsWith("\r\n\r\nok\n"));
}

struct BadCase {
  const char* name;
  std::string bytes;
  std::string answer;
};

class BadRequestTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadRequestTest, IsAnsweredAndClosed) {
  const auto server = Started();
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Send(GetParam().bytes);
  EXPECT_THAT(caller.ToTheEnd(), StartsWith("HTTP/1.1 " + GetParam().answer));
  EXPECT_THAT(Get(server->port(), "/healthz"), StartsWith("HTTP/1.1 200 ")) << "others are served";
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequestTest,
    testing::Values(BadCase{"NoHttp", "hello\r\n\r\n", "400"},
                    BadCase{"Tls", "\x16\x03\x01\x02\x03\x01\x01\xfc\x03", "400"},
                    BadCase{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
                    BadCase{"LargeHead", "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", "431"},
                    BadCase{"EndlessHead", "GET /" + std::string(100000, 'x'), "431"},
                    BadCase{"Body", "POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "405"},
                    BadCase{"BodyToCome", "POST /metrics HTTP/1.1\r\nContent-Length: 500000\r\n\r\nhello", "405"}),
    [](const auto& info) { return info.param.name; });

TEST(MetricsServerTest, ACollectorThatThrowsFailsItsScrapeOnly) {
  const auto server = Started();
  server->Register(std::make_shared<Counted>([](int nth) {
    if (nth == 1) throw std::runtime_error("odd");
    if (nth == 2) throw 7;
  }));
  EXPECT_THAT(Get(server->port(), "/metrics"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Get(server->port(), "/metrics"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Get(server->port(), "/metrics"), HasSubstr("\nnth 3\n"));
}

TEST(MetricsServerTest, ProbesDoNotWaitForAPageAndScrapesShareTheNext) {
  const auto server = Started();
  absl::Notification begun, go_on;
  const auto counted = std::make_shared<Counted>([&](int nth) {
    if (nth > 1) return;
    begun.Notify();
    go_on.WaitForNotification();
  });
  server->Register(counted);
  std::vector<RawCaller> callers(5);
  for (RawCaller& caller : callers) ASSERT_TRUE(caller.Connect(server->port()));
  callers[0].Ask("/metrics");
  begun.WaitForNotification();
  for (size_t i = 1; i < callers.size(); ++i) {
    callers[i].Ask("/metrics", i % 2 == 0 ? "Accept-Encoding: gzip\r\n" : "");
    // Answered after what was sent before it.
    EXPECT_THAT(Get(server->port(), "/healthz"), StartsWith("HTTP/1.1 200 "));
  }
  go_on.Notify();
  EXPECT_THAT(callers[0].Answer(), HasSubstr("\nnth 1\n"));
  for (size_t i = 1; i < callers.size(); ++i) EXPECT_THAT(callers[i].Answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(counted->collected(), 2);
}

TEST(MetricsServerTest, AScraperThatLeftHarmsNobody) {
  const auto server = Started();
  absl::Notification begun, go_on;
  server->Register(std::make_shared<Counted>([&](int nth) {
    if (nth > 1) return;
    begun.Notify();
    go_on.WaitForNotification();
  }));
  {
    RawCaller caller;
    ASSERT_TRUE(caller.Connect(server->port()));
    caller.Ask("/metrics");
    begun.WaitForNotification();
  }
  go_on.Notify();
  EXPECT_THAT(Get(server->port(), "/metrics"), HasSubstr("\nnth 2\n"));
}

TEST(MetricsServerTest, ListensOnNamesAndIpv6) {
  for (const char* address : {"[::1]:0", "localhost:0", "0.0.0.0:0", "[::]:0"}) {
    const auto server = MetricsServer::Start(address);
    ASSERT_TRUE(server.ok()) << server.status();
    EXPECT_GT((*server)->port(), 0);
  }
}

TEST(MetricsServerTest, PortInUseIsNamed) {
  const auto first = Started();
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  const auto second = MetricsServer::Start(address);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(), "cannot listen on " + address + " for metrics: Address already in use");
}

TEST(MetricsServerTest, WhatIsNoAddressIsNamed) {
  for (const char* address :
       {"", "9464", "localhost:", "localhost:x", "localhost:70000", "127.0.0.1:80,81", "::1:80"}) {
    const auto server = MetricsServer::Start(address);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()),
                AllOf(StartsWith("--metrics-listen: "), HasSubstr(std::string("\"") + address + "\"")));
  }
}

}  // namespace
}  // namespace sluice

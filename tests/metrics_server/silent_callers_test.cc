// Callers that say nothing, or take nothing, keep nobody else out.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "proto/metrics_server/metrics_server.h"
#include "tests/metrics_server/raw_caller.h"

namespace sluice {
namespace {

using testing::StartsWith;

// Far longer than the test: what ends is not ended by a timeout.
MetricsServerOptions Patient(size_t max_connections = 16) {
  return {max_connections, absl::Hours(1), absl::Hours(1), absl::Hours(1)};
}

std::unique_ptr<MetricsServer> Started(const MetricsServerOptions& options) {
  auto server = MetricsServer::Start("127.0.0.1:0", options);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

class SilentCallersTest : public testing::TestWithParam<int> {};

TEST_P(SilentCallersTest, KeepNoScrapeOut) {
  const auto server = Started(Patient());
  std::vector<RawCaller> silent(static_cast<size_t>(GetParam()));
  for (RawCaller& caller : silent) {
    ASSERT_TRUE(caller.Connect(server->port()));
    caller.Send("GET /metr");
  }
  EXPECT_THAT(Get(server->port(), "/metrics"), StartsWith("HTTP/1.1 200 "));
}

INSTANTIATE_TEST_SUITE_P(Of, SilentCallersTest, testing::Values(2, 15, 16, 100),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(MetricsServerBoundsTest, TheOneThatIsSilentLongestGivesWay) {
  const auto server = Started(Patient(3));
  RawCaller first, second, third, fourth;
  ASSERT_TRUE(first.Connect(server->port()));
  ASSERT_TRUE(second.Connect(server->port()));
  ASSERT_TRUE(third.Connect(server->port()));
  // Its silence begins anew.
  first.Ask("/healthz");
  EXPECT_THAT(first.Answer(), StartsWith("HTTP/1.1 200 "));
  ASSERT_TRUE(fourth.Connect(server->port()));
  EXPECT_EQ(second.ToTheEnd(), "");
  for (RawCaller* caller : {&first, &third, &fourth}) {
    caller->Ask("/healthz");
    EXPECT_THAT(caller->Answer(), StartsWith("HTTP/1.1 200 "));
  }
}

class HugePage : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily family{"huge", std::string(24 << 20, 'x'), prometheus::MetricType::Gauge, {}};
    family.metric.emplace_back();
    return {family};
  }
};

TEST(MetricsServerBoundsTest, WhoTakesNoAnswerGivesWay) {
  const auto server = Started(Patient(2));
  server->Register(std::make_shared<HugePage>());
  std::vector<RawCaller> stuck;
  for (int i = 0; i < 2; ++i) {
    stuck.emplace_back(4096);
    ASSERT_TRUE(stuck.back().Connect(server->port()));
    stuck.back().Ask("/metrics");
    // Its answer has begun, and goes on only if it is read.
    EXPECT_THAT(stuck.back().Answer(false), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(Get(server->port(), "/healthz"), StartsWith("HTTP/1.1 200 "));
}

struct TimeoutCase {
  const char* name;
  MetricsServerOptions options;
  bool ask_first;
  std::string say;
};

class TimeoutTest : public testing::TestWithParam<TimeoutCase> {};

TEST_P(TimeoutTest, ClosesTheConnection) {
  const auto server = Started(GetParam().options);
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  if (GetParam().ask_first) {
    caller.Ask("/healthz");
    EXPECT_THAT(caller.Answer(), StartsWith("HTTP/1.1 200 "));
  }
  caller.Send(GetParam().say);
  EXPECT_EQ(caller.ToTheEnd(), "");
}

constexpr absl::Duration kShort = absl::Milliseconds(50);
INSTANTIATE_TEST_SUITE_P(
    All, TimeoutTest,
    testing::Values(TimeoutCase{"Silent", {16, kShort, absl::Hours(1), absl::Hours(1)}, false, ""},
                    TimeoutCase{"HalfAHead", {16, kShort, absl::Hours(1), absl::Hours(1)}, false, "GET / HT"},
                    TimeoutCase{"Idle", {16, absl::Hours(1), kShort, absl::Hours(1)}, true, ""},
                    TimeoutCase{"HalfANextHead", {16, absl::Hours(1), kShort, absl::Hours(1)}, true, "GET"}),
    [](const auto& info) { return info.param.name; });

TEST(MetricsServerBoundsTest, AByteNowAndThenGainsNoTime) {
  const auto server = Started({16, kShort, absl::Hours(1), absl::Hours(1)});
  RawCaller caller;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Send("GET /");
  while (!caller.IsClosed()) {
    caller.Send("x");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST(MetricsServerBoundsTest, TheEndWaitsForNobody) {
  const auto server = Started(Patient());
  std::vector<RawCaller> silent(8);
  for (RawCaller& caller : silent) ASSERT_TRUE(caller.Connect(server->port()));
  EXPECT_THAT(Get(server->port(), "/healthz"), StartsWith("HTTP/1.1 200 "));
}

// All descriptors but those that are open already.
class DescriptorsGone {
 public:
  DescriptorsGone() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = 128;
    setrlimit(RLIMIT_NOFILE, &low);
    for (int fd; (fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;) taken_.push_back(fd);
  }
  ~DescriptorsGone() {
    Give();
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  void Give() {
    for (int fd : taken_) close(fd);
    taken_.clear();
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

TEST(MetricsServerBoundsTest, IsBackWhenThereAreDescriptorsAgain) {
  const auto server = Started(Patient());
  RawCaller caller;
  DescriptorsGone gone;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Ask("/healthz");
  gone.Give();
  EXPECT_THAT(caller.Answer(), StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsServerBoundsTest, WithoutDescriptorsASilentCallerGivesItsOwn) {
  const auto server = Started(Patient());
  RawCaller silent, caller;
  ASSERT_TRUE(silent.Connect(server->port()));
  silent.Ask("/healthz");
  EXPECT_THAT(silent.Answer(), StartsWith("HTTP/1.1 200 "));
  DescriptorsGone gone;
  ASSERT_TRUE(caller.Connect(server->port()));
  caller.Ask("/metrics");
  EXPECT_THAT(caller.Answer(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(silent.ToTheEnd(), "");
}

}  // namespace
}  // namespace sluice

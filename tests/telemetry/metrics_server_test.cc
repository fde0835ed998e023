#include "server/telemetry/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "proto/log/log_collector.h"
#include "server/telemetry/call_metrics.h"
#include "server/telemetry/collectors.h"
#include "server/telemetry/resilience_collector.h"

namespace sluice {
namespace {

using testing::HasSubstr;

std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return "no connection";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string response;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) response.append(buffer, static_cast<size_t>(n));
  close(fd);
  const size_t body = response.find("\r\n\r\n");
  return body == std::string::npos ? response : response.substr(body + 4);
}

ConfigStatus Status() {
  ConfigStatus status;
  status.source = ConfigSource::kLastKnownGood;
  status.revision = 7;
  status.applied_at = absl::UnixEpoch();
  status.connected = true;
  status.updates_refused = 2;
  status.push_latency = absl::Milliseconds(38);
  return status;
}

// Everything that a data plane shows.
std::unique_ptr<MetricsServer> FullServer() {
  auto server = MetricsServer::Start("127.0.0.1:0");
  EXPECT_TRUE(server.ok()) << server.status();
  auto calls = std::make_shared<CallMetricsCollector>();
  CallMetrics& loop = calls->AddLoop();
  CallInfo info;
  info.route = "chat";
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  record.attempts.resize(2);
  record.time_to_first_token = absl::Milliseconds(3);
  record.delivered.output_tokens = 9;
  loop.CallStarted(info);
  loop.AttemptEnded(info, record.attempts[0]);
  loop.RetryScheduled(info, record.attempts[0], absl::ZeroDuration(), true);
  loop.Paused(info);
  loop.RetryRefused(info, "openai", RetryRefusal::kAdaptive);
  loop.LeftQueue(info, QueueExit::kAdmitted, absl::Milliseconds(3));
  loop.BreakerChanged("openai", "a", BreakerState::kClosed, BreakerState::kOpen);
  loop.CallEnded(info, record);
  (*server)->Register(calls);
  (*server)->Register(std::make_shared<ConfigCollector>(Status));
  (*server)->Register(std::make_shared<ConnectionCollector>([] {
    return std::vector<ConnectionFigures>{{"a:443", 3, 1, 5, 9}, {"a:443", 2, 2, 1, 1}, {"b:443", 1, 0, 1, 0}};
  }));
  (*server)->Register(std::make_shared<ResilienceCollector>([] {
    ResilienceFigures figures;
    figures.breakers.emplace_back();
    figures.endpoints.emplace_back();
    figures.upstreams.push_back({"openai", 3, 1, 100, 8, 2});
    figures.budgets.emplace_back();
    figures.queues.emplace_back();
    figures.rate_limits.emplace_back();
    figures.idempotency.emplace();
    figures.load.emplace();
    return figures;
  }));
  (*server)->Register(
      std::make_shared<LogCollector>("sluice", std::vector<LineSort>{LineSort::kProgram, LineSort::kCalls}, [] {
        return LineWriterFigures{{LineFigures{5, 0, 0, 3}, LineFigures{7, 2, 1, 4}}};
      }));
  (*server)->Register(std::make_shared<ProcessCollector>("0.1.0"));
  return *std::move(server);
}

TEST(MetricsServerTest, ShowsTheConfiguration) {
  const std::string text = Get(FullServer()->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("\nsluice_config_revision 7\n"));
  EXPECT_THAT(text, HasSubstr("sluice_config_source{source=\"last_known_good\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_config_source{source=\"control_plane\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_config_connected 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_config_updates_total{result=\"refused\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_config_push_latency_seconds 0.038\n"));
}

TEST(MetricsServerTest, SumsConnectionsOfAllLoops) {
  const std::string text = Get(FullServer()->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("sluice_upstream_connections{endpoint=\"a:443\",state=\"busy\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_connections{endpoint=\"a:443\",state=\"idle\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_connects_total{endpoint=\"a:443\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("sluice_upstream_connection_reuses_total{endpoint=\"a:443\"} 10\n"));
}

TEST(MetricsServerTest, ShowsTheLog) {
  const std::string text = Get(FullServer()->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("\nsluice_log_lines_total{log=\"program\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("\nsluice_log_lines_total{log=\"calls\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sluice_log_dropped_total{log=\"calls\",reason=\"rate\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_log_dropped_total{log=\"calls\",reason=\"buffer\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("sluice_log_dropped_total{log=\"calls\",reason=\"output\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("sluice_log_dropped_total{log=\"program\",reason=\"output\"} 3\n"));
}

TEST(MetricsServerTest, ShowsTheProcess) {
  const std::string text = Get(FullServer()->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("sluice_build_info{version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(text, testing::Not(HasSubstr("\nprocess_resident_memory_bytes 0\n")));
  EXPECT_THAT(text, testing::Not(HasSubstr("\nprocess_open_fds 0\n")));
}

TEST(MetricsServerTest, PromtoolFindsNothingWrong) {
  ASSERT_EQ(std::system("command -v promtool > /dev/null"), 0) << "missing: deploy/install-packages --tests";
  const std::string path = testing::TempDir() + "/scrape-" + std::to_string(getpid());
  std::ofstream(path) << Get(FullServer()->port(), "/metrics");
  FILE* promtool = popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  std::string output;
  char buffer[1024];
  while (fgets(buffer, sizeof(buffer), promtool) != nullptr) output += buffer;
  EXPECT_EQ(pclose(promtool), 0) << output;
  EXPECT_EQ(output, "");
}

TEST(MetricsServerTest, PortInUseIsNamed) {
  auto first = MetricsServer::Start("127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  const std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = MetricsServer::Start(address);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

TEST(MetricsServerTest, EndsAtOnce) {
  for (const char* address : {"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"}) {
    // A busy machine may be late now and then; a server that looks every two
    // seconds, as civetweb by itself does, always would be.
    constexpr std::chrono::milliseconds kOnce(1200);
    auto quickest = std::chrono::steady_clock::duration::max();
    bool there = true;
    for (int i = 0; i < 10 && there && quickest > kOnce; ++i) {
      auto server = MetricsServer::Start(address);
      there = server.ok() || address[0] != '[';  // a machine without IPv6
      if (!there) break;
      ASSERT_TRUE(server.ok()) << server.status();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const auto before = std::chrono::steady_clock::now();
      server->reset();
      quickest = std::min(quickest, std::chrono::steady_clock::now() - before);
    }
    if (there) {
      EXPECT_LT(quickest, kOnce) << address;
    }
  }
}

TEST(MetricsServerTest, WhatIsNoAddressIsNamed) {
  for (const char* address : {"", "9464", "localhost:", "localhost:x", "localhost:70000", "127.0.0.1:80,81"}) {
    const auto server = MetricsServer::Start(address);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(std::string("\"") + address + "\""));
  }
}

TEST(ConnectionCollectorTest, EndpointsBeyondTheBoundAreOther) {
  ConnectionCollector collector(
      [] {
        return std::vector<ConnectionFigures>{{"a", 1, 0, 1, 0}, {"b", 1, 0, 1, 0}, {"c", 1, 0, 1, 0}};
      },
      1);
  const auto families = collector.Collect();
  ASSERT_EQ(families[1].metric.size(), 2u);
  EXPECT_EQ(families[1].metric[1].label[0].value, "other");
  EXPECT_EQ(families[1].metric[1].counter.value, 2);
}

}  // namespace
}  // namespace sluice

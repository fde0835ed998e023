#include "server/config/protection_compiler.h"

#include <gtest/gtest.h>

#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

class ProtectionCompilerTest : public CompileFixture {
 protected:
  // The only upstream of the text.
  std::shared_ptr<const UpstreamConfig> Upstream(const std::string& fields, const std::string& more = "",
                                                 std::string zone = "") {
    const auto table = Table(
        "kind: Upstream\nname: u\nformat: OPENAI\n"
        "endpoints: [{url: 'http://a:1', zone: eu-1}, {url: 'http://b:2', zone: eu-2}]\n" + fields + "\n" + more,
        std::move(zone));
    return table == nullptr ? std::make_shared<UpstreamConfig>() : table->upstreams().at(0);
  }
};

TEST_F(ProtectionCompilerTest, NothingWrittenIsTheDocumentedDefaults) {
  const auto upstream = Upstream("");
  EXPECT_EQ(upstream->breaker, CircuitBreakerConfig());
  EXPECT_FALSE(upstream->overall_breaker.has_value());
  EXPECT_FALSE(upstream->limits.has_value());
  EXPECT_FALSE(upstream->outlier.has_value());
  EXPECT_FALSE(upstream->health_check.has_value());
  EXPECT_FALSE(upstream->throttle.has_value());
  EXPECT_EQ(upstream->context_tokens, 0u);
  EXPECT_EQ(upstream->balance.kind, BalanceConfig::Kind::kWeighted);
  EXPECT_EQ(upstream->balance.panic_percent, 50);
  EXPECT_FALSE(upstream->balance.slow_start.has_value());
  EXPECT_FALSE(upstream->balance.prefer_same_zone);
  ASSERT_EQ(upstream->credentials.size(), 1u);
  EXPECT_EQ(upstream->credentials[0].name, "");
  EXPECT_NE(upstream->index, nullptr);
  EXPECT_NE(upstream->state, nullptr);
}

TEST_F(ProtectionCompilerTest, EveryFieldOfABreaker) {
  const auto upstream = Upstream(
      "circuit_breaker: {failure_percent: 30, slow_percent: 80, slow_after: 5s, time_window: 20s, min_calls: 7, "
      "open: 3s, max_open: 40s, half_open_permits: 2, max_half_open: 9s, mode: OBSERVE_ONLY, verify_after: 8}");
  CircuitBreakerConfig expected;
  expected.failure_percent = 30;
  expected.slow_percent = 80;
  expected.slow_after = absl::Seconds(5);
  expected.time_window = absl::Seconds(20);
  expected.min_calls = 7;
  expected.open = absl::Seconds(3);
  expected.max_open = absl::Seconds(40);
  expected.half_open_permits = 2;
  expected.max_half_open = absl::Seconds(9);
  expected.mode = BreakerMode::kObserveOnly;
  expected.verify_after = 8;
  EXPECT_EQ(upstream->breaker, expected);
}

TEST_F(ProtectionCompilerTest, EveryModeOfABreaker) {
  const std::pair<const char*, BreakerMode> modes[] = {{"AUTOMATIC", BreakerMode::kAutomatic},
                                                       {"DISABLED", BreakerMode::kDisabled},
                                                       {"FORCED_OPEN", BreakerMode::kForcedOpen},
                                                       {"OBSERVE_ONLY", BreakerMode::kObserveOnly}};
  for (const auto& [name, mode] : modes) {
    EXPECT_EQ(Upstream(std::string("circuit_breaker: {mode: ") + name + "}")->breaker.mode, mode) << name;
  }
}

TEST_F(ProtectionCompilerTest, ABreakerVerifiesNothingWhereItSaysSo) {
  EXPECT_EQ(Upstream("circuit_breaker: {verify_after: 0}")->breaker.verify_after, 0u);
}

TEST_F(ProtectionCompilerTest, ABreakerCountsOverCallsWhereItSaysSo) {
  const auto upstream = Upstream("circuit_breaker: {count_window: 50}");
  EXPECT_TRUE(upstream->breaker.count_window);
  EXPECT_EQ(upstream->breaker.count, 50u);
}

TEST_F(ProtectionCompilerTest, ABreakerByNameByDefaultAndInPlace) {
  const std::string more =
      "---\n{kind: CircuitBreaker, name: default, failure_percent: 20}\n"
      "---\n{kind: CircuitBreaker, name: strict, failure_percent: 10}\n";
  EXPECT_EQ(Upstream("", more)->breaker.failure_percent, 20);
  EXPECT_EQ(Upstream("circuit_breaker: strict", more)->breaker.failure_percent, 10);
  EXPECT_EQ(Upstream("circuit_breaker: {min_calls: 5}", more)->breaker.failure_percent, 50);
  // The whole of an upstream has none unless it says so, whatever the default.
  EXPECT_FALSE(Upstream("", more)->overall_breaker.has_value());
  EXPECT_EQ(Upstream("overall_circuit_breaker: strict", more)->overall_breaker->failure_percent, 10);
}

TEST_F(ProtectionCompilerTest, ADefaultYieldsToWhatWasWritten) {
  EXPECT_EQ(Upstream("circuit_breaker: {open: 10m}")->breaker.max_open, absl::Minutes(10));
  EXPECT_EQ(Upstream("circuit_breaker: {max_open: 4s}")->breaker.open, absl::Seconds(4));
  EXPECT_EQ(Upstream("outlier_detection: {base_ejection: 20m}")->outlier->max_ejection, absl::Minutes(20));
  EXPECT_EQ(Upstream("outlier_detection: {max_ejection: 9s}")->outlier->base_ejection, absl::Seconds(9));
  EXPECT_EQ(Upstream("health_check: {interval: 1s}")->health_check->timeout, absl::Seconds(1));
  EXPECT_EQ(Upstream("health_check: {timeout: 20s}")->health_check->interval, absl::Seconds(20));
  EXPECT_EQ(Upstream("limits: {adaptive: true, adaptive_max: 2}")->limits->adaptive_min, 2u);
  EXPECT_EQ(Upstream("limits: {adaptive: true, adaptive_min: 2000}")->limits->adaptive_max, 2000u);
}

TEST_F(ProtectionCompilerTest, EveryLimit) {
  const auto upstream =
      Upstream("limits: {max_requests: 100, max_pending: 20, max_tokens_in_flight: 90000, adaptive: true, "
               "adaptive_min: 3, adaptive_max: 60}\nthrottle: {k: 1.5, window: 30s}\ncontext_tokens: 128000");
  ConcurrencyConfig expected;
  expected.max_requests = 100;
  expected.max_pending = 20;
  expected.max_tokens = 90000;
  expected.adaptive = true;
  expected.adaptive_min = 3;
  expected.adaptive_max = 60;
  EXPECT_EQ(*upstream->limits, expected);
  EXPECT_EQ(*upstream->throttle, (ClientThrottleConfig{1.5, absl::Seconds(30)}));
  EXPECT_EQ(upstream->context_tokens, 128000u);
  EXPECT_FALSE(Upstream("limits: {max_pending: 5}")->limits->max_requests.has_value());
}

TEST_F(ProtectionCompilerTest, EveryFieldOfOutlierDetectionAndHealthCheck) {
  const auto upstream =
      Upstream("outlier_detection: {consecutive_failures: 3, base_ejection: 5s, max_ejection: 50s, "
               "max_ejected_percent: 30%, interval: 2s}\n"
               "health_check: {path: /health, interval: 4s, timeout: 1s, unhealthy_after: 5, healthy_after: 6}");
  OutlierConfig expected;
  expected.consecutive_failures = 3;
  expected.base_ejection = absl::Seconds(5);
  expected.max_ejection = absl::Seconds(50);
  expected.interval = absl::Seconds(2);
  expected.max_ejected_percent = 30;
  EXPECT_EQ(*upstream->outlier, expected);
  EXPECT_EQ(upstream->health_check->path, "/health");
  EXPECT_EQ(upstream->health_check->interval, absl::Seconds(4));
  EXPECT_EQ(upstream->health_check->timeout, absl::Seconds(1));
  EXPECT_EQ(upstream->health_check->unhealthy_after, 5);
  EXPECT_EQ(upstream->health_check->healthy_after, 6);
  EXPECT_EQ(Upstream("health_check: {}")->health_check->path, "/models");
}

TEST_F(ProtectionCompilerTest, EveryWayOfBalancing) {
  const auto least = Upstream("balance: {least_request: {choices: 3}, panic_percent: 0}")->balance;
  EXPECT_EQ(least.kind, BalanceConfig::Kind::kLeastRequest);
  EXPECT_EQ(least.choices, 3u);
  EXPECT_EQ(least.panic_percent, 0);
  const auto ewma = Upstream("balance: {peak_ewma: {decay: 4s}}")->balance;
  EXPECT_EQ(ewma.kind, BalanceConfig::Kind::kPeakEwma);
  EXPECT_EQ(ewma.decay, absl::Seconds(4));
  EXPECT_EQ(Upstream("balance: peak_ewma")->balance.decay, absl::Seconds(10));
  const auto ring = Upstream("balance: {ring_hash: {min_size: 64}}")->balance;
  EXPECT_EQ(ring.kind, BalanceConfig::Kind::kRingHash);
  EXPECT_EQ(ring.min_ring_size, 64u);
  const auto slow = Upstream("balance: {slow_start: {window: 20s, min_percent: 5}}")->balance;
  EXPECT_EQ(slow.kind, BalanceConfig::Kind::kWeighted);
  EXPECT_EQ(slow.slow_start->window, absl::Seconds(20));
  EXPECT_EQ(slow.slow_start->min_percent, 5);
}

TEST_F(ProtectionCompilerTest, ZonesAreComparedWithThatOfTheDataPlane) {
  const auto here = Upstream("balance: {prefer_same_zone: true}", "", "eu-2");
  EXPECT_TRUE(here->balance.prefer_same_zone);
  EXPECT_FALSE(here->endpoints.at(0).same_zone);
  EXPECT_TRUE(here->endpoints.at(1).same_zone);
  // No zone of one's own is no zone, not the same zone as of what has none.
  const auto nowhere = Upstream("balance: {prefer_same_zone: true}");
  EXPECT_FALSE(nowhere->endpoints.at(0).same_zone || nowhere->endpoints.at(1).same_zone);
}

TEST_F(ProtectionCompilerTest, CredentialsAreResolvedInTheirOrder) {
  setenv("CONFIG_TEST_2_API_KEY", "sk-two", 1);
  const auto upstream = Upstream("credentials: [env:CONFIG_TEST_2_API_KEY, env:CONFIG_TEST_API_KEY]");
  ASSERT_EQ(upstream->credentials.size(), 2u);
  EXPECT_EQ(upstream->credentials[0].name, "env:CONFIG_TEST_2_API_KEY");
  EXPECT_EQ(upstream->credentials[0].secret, "sk-two");
  EXPECT_EQ(upstream->credentials[1].secret, "sk-test");
  for (const EndpointConfig& endpoint : upstream->endpoints) {
    ASSERT_EQ(endpoint.cooldowns.size(), 2u);
    EXPECT_NE(endpoint.cooldowns[0], endpoint.cooldowns[1]);
  }
  EXPECT_NE(upstream->endpoints[0].cooldowns[0], upstream->endpoints[1].cooldowns[0]);
}

TEST_F(ProtectionCompilerTest, EachCredentialThatIsMissingIsNamed) {
  const auto lines = Refusals(
      "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: 'http://a:1'}]\n"
      "credentials: [env:CONFIG_TEST_API_KEY, env:CONFIG_TEST_ABSENT_API_KEY, env:HOME]\n");
  ASSERT_EQ(lines.size(), 2u) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0], "CREDENTIAL upstream/u: credentials[1]: env CONFIG_TEST_ABSENT_API_KEY is not set here");
  EXPECT_NE(lines[1].find("credentials[2]: \"env:HOME\" is not among"), std::string::npos) << lines[1];
}

TEST_F(ProtectionCompilerTest, UpstreamsThatNoRouteNamesAreThereToo) {
  EXPECT_EQ(Table("{kind: Upstream, name: b, format: OPENAI, endpoints: [{url: 'http://b'}]}\n---\n"
                  "{kind: Upstream, name: a, format: OPENAI, endpoints: [{url: 'http://a'}]}\n")
                ->upstreams()
                .at(0)
                ->name,
            "a");
}

}  // namespace
}  // namespace sluice

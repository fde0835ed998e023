#include "server/config/policy_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

using testing::HasSubstr;

class PolicyCompilerTest : public CompileFixture {};

TEST_F(PolicyCompilerTest, EndpointsComeFromTheirUrls) {
  const auto route = Route(kTwoEndpoints);
  ASSERT_NE(route, nullptr);
  ASSERT_EQ(route->targets.size(), 1u);
  EXPECT_EQ(route->targets[0].model, "gpt-4o-mini");
  const UpstreamConfig& upstream = *route->targets[0].upstream;
  EXPECT_EQ(upstream.credentials.at(0).secret, "sk-test");
  EXPECT_EQ(upstream.format, &OpenAiFormat());
  ASSERT_EQ(upstream.endpoints.size(), 2u);
  EXPECT_EQ(upstream.endpoints[0].name, "api.openai.com:443");
  EXPECT_TRUE(upstream.endpoints[0].http->tls);
  EXPECT_EQ(upstream.endpoints[0].http->base_path, "/v1");
  EXPECT_EQ(upstream.endpoints[0].weight, 1u);
  EXPECT_TRUE(upstream.endpoints[0].active);
  EXPECT_EQ(upstream.endpoints[1].name, "backup");
  EXPECT_EQ(upstream.endpoints[1].http->host, "::1");
  EXPECT_EQ(upstream.endpoints[1].http->port, 8080);
  EXPECT_EQ(upstream.endpoints[1].priority, 1u);
  EXPECT_EQ(upstream.endpoints[1].weight, 3u);
  EXPECT_FALSE(upstream.endpoints[1].active);
  EXPECT_FALSE(upstream.endpoints[1].http->keep_idle);
}

TEST_F(PolicyCompilerTest, WhatIsNotSetTakesItsDocumentedDefault) {
  const auto route = Route(kTwoEndpoints);
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->timeouts.connect, absl::Seconds(2));
  EXPECT_EQ(route->timeouts.first_content, absl::Seconds(30));
  EXPECT_EQ(route->timeouts.overall, absl::Minutes(10));
  EXPECT_EQ(route->stream.max_pending_bytes, 262144u);
  EXPECT_EQ(route->stream.coalesce, absl::ZeroDuration());
  EXPECT_EQ(route->retry.max_attempts, 3);
  EXPECT_TRUE(route->retry.retry_on.empty());
  const auto& backoff = std::get<ExponentialBackoff>(route->retry.backoff);
  EXPECT_EQ(backoff.base, absl::Milliseconds(500));
  EXPECT_EQ(backoff.max, absl::Seconds(5));
  EXPECT_EQ(backoff.jitter, Jitter::kFull);
  const PoolLimits& pool = route->targets[0].upstream->endpoints[0].http->pool;
  EXPECT_EQ(pool.max_open, 10000u);
  EXPECT_EQ(pool.max_idle_time, absl::Seconds(50));
  EXPECT_EQ(pool.resolve_every, absl::Seconds(30));
}

TEST_F(PolicyCompilerTest, PoolsAreAsTheirUpstreamSaysIt) {
  const auto route = Route(R"(
{kind: Upstream, name: u, format: OPENAI, endpoints: [{url: 'http://host:1'}],
 pool: {max_open: 7, max_idle: 3, max_idle_time: 4s, max_lifetime: 5m, resolve_every: 6s}}
---
{kind: Route, name: chat, match: {model: chat}, targets: [{upstream: u}]}
)");
  ASSERT_NE(route, nullptr);
  const PoolLimits& pool = route->targets[0].upstream->endpoints[0].http->pool;
  EXPECT_EQ(pool.max_open, 7u);
  EXPECT_EQ(pool.max_idle, 3u);
  EXPECT_EQ(pool.max_idle_time, absl::Seconds(4));
  EXPECT_EQ(pool.max_lifetime, absl::Minutes(5));
  EXPECT_EQ(pool.resolve_every, absl::Seconds(6));
}

TEST_F(PolicyCompilerTest, RoutesWithoutARetryPolicyTakeTheOneNamedDefault) {
  const auto route = Route(std::string(kTwoEndpoints) +
                           "---\n{kind: RetryPolicy, name: default, max_attempts: 5, backoff: {fixed: {delay: 70ms}}}\n");
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->retry.max_attempts, 5);
  EXPECT_EQ(std::get<FixedBackoff>(route->retry.backoff).delay, absl::Milliseconds(70));
}

std::string WithRetry(const std::string& retry) { return std::string(kTwoEndpoints) + "retry: " + retry + "\n"; }

TEST_F(PolicyCompilerTest, RetryByNameAndInline) {
  EXPECT_EQ(Route(WithRetry("mine\n---\n{kind: RetryPolicy, name: mine, max_attempts: 2}"))->retry.max_attempts, 2);
  const auto route = Route(WithRetry(
      "{max_attempts: 4, retry_on: [CONNECT, RATE_LIMITED], retry_on_status: [425], backoff_before_failover: true, "
      "backoff: {reactor: {min: 1s, jitter_factor: 0.25}}}"));
  ASSERT_NE(route, nullptr);
  EXPECT_EQ(route->retry.max_attempts, 4);
  EXPECT_EQ(route->retry.retry_on, (std::set<FailureKind>{FailureKind::kConnect, FailureKind::kRateLimited}));
  EXPECT_EQ(route->retry.retry_on_status, (std::set<int>{425}));
  EXPECT_TRUE(route->retry.backoff_before_failover);
  const auto& reactor = std::get<ReactorBackoff>(route->retry.backoff);
  EXPECT_EQ(reactor.min, absl::Seconds(1));
  EXPECT_EQ(reactor.max, absl::Seconds(5));
  EXPECT_EQ(reactor.jitter_factor, 0.25);
  const auto custom = Route(WithRetry("{backoff: {custom: {delays: [1s, 3s]}}}"));
  EXPECT_EQ(std::get<CustomBackoff>(custom->retry.backoff).delays,
            (std::vector<Duration>{absl::Seconds(1), absl::Seconds(3)}));
}

constexpr char kListed[] = R"(
kind: Upstream
name: u
format: OPENAI
endpoint_list: pool
---
kind: EndpointList
name: pool
endpoints: [{url: "http://a:1"}, {url: "http://b:2"}]
---
{kind: Route, name: chat, match: {model: "*"}, targets: [{upstream: u}]}
)";

TEST_F(PolicyCompilerTest, EndpointsFromAnEndpointList) {
  const auto route = Route(kListed);
  ASSERT_NE(route, nullptr);
  ASSERT_EQ(route->targets[0].upstream->endpoints.size(), 2u);
  EXPECT_EQ(route->targets[0].upstream->endpoints[1].name, "b:2");
}

TEST_F(PolicyCompilerTest, WhatThisNodeCannotDoIsAllNamed) {
  unsetenv("CONFIG_TEST_API_KEY");
  const auto lines = Refusals(std::string(kTwoEndpoints) + "---\n" +
                              "{kind: Upstream, name: other, format: OPENAI, credential: 'env:HOME', "
                              "tls: {ca_file: /absent/ca.pem}, endpoints: [{url: 'http://inside:1'}]}\n",
                              {.credentials = {"env:*_API_KEY"}, .hosts = {"api.openai.com", "[::1]:8080"}});
  ASSERT_EQ(lines.size(), 4u) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0], "CREDENTIAL upstream/openai: credential: env CONFIG_TEST_API_KEY is not set here");
  EXPECT_THAT(lines[1], HasSubstr("CREDENTIAL upstream/other: credential: \"env:HOME\" is not among"));
  EXPECT_THAT(lines[2], HasSubstr("UNREADABLE_FILE upstream/other: tls.ca_file: \"/absent/ca.pem\""));
  EXPECT_THAT(lines[3], HasSubstr("HOST_NOT_ALLOWED upstream/other: endpoints[0].url: host \"inside:1\""));
}

TEST_F(PolicyCompilerTest, HostOfAListIsBlamedOnTheList) {
  const auto lines = Refusals(kListed, {.credentials = {}, .hosts = {"a"}});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("HOST_NOT_ALLOWED endpointlist/pool: endpoints[1].url"));
}

TEST_F(PolicyCompilerTest, WhatTheValidatorRefusesIsRefusedHereToo) {
  const auto lines = Refusals("{kind: Route, name: chat, match: {model: m}, targets: [{upstream: nowhere}]}");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("UNKNOWN_REFERENCE route/chat: targets[0].upstream"));
}

TEST_F(PolicyCompilerTest, FieldsOfANewerVersionAreRefused) {
  PolicyCompiler compiler{ConfigAllowLists()};
  auto resources = Parse(kTwoEndpoints);
  v1::Route& route = *resources[1].mutable_route();
  route.GetReflection()->MutableUnknownFields(&route)->AddVarint(9999, 1);
  const auto compiled = compiler.Compile("e", 1, {&resources[0], &resources[1]}, absl::UnixEpoch());
  EXPECT_EQ(compiled.table, nullptr);
  ASSERT_EQ(compiled.violations.size(), 1u);
  EXPECT_EQ(compiled.violations[0].resource().name(), "chat");
}

}  // namespace
}  // namespace sluice

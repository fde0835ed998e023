#include "server/config/route_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sluice/v1/gateway.pb.h"
#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;

constexpr char kUpstreams[] = R"(
{kind: Upstream, name: u, format: OPENAI, endpoints: [{url: "http://u:1"}]}
---
{kind: Upstream, name: local, format: OPENAI, endpoints: [{url: "http://local:1"}]}
)";

std::string Chat(const std::string& fields, const std::string& more = "") {
  return std::string(kUpstreams) +
         "---\nkind: Route\nname: chat\nmatch: {model: chat}\ntargets: [{upstream: u, model: large}]\n" + fields +
         "\n" + more;
}
std::string Named(const std::string& flow) { return "---\n" + flow + "\n"; }

class RouteCompilerTest : public CompileFixture {};

TEST_F(RouteCompilerTest, NothingWrittenIsOff) {
  const auto route = Route(Chat(""));
  EXPECT_FALSE(route->hedge.has_value());
  EXPECT_FALSE(route->queue.has_value());
  EXPECT_EQ(route->waiting().max_length, 1000u);
  EXPECT_EQ(route->waiting().max_wait, absl::Seconds(5));
  EXPECT_EQ(route->waiting().max_bytes, 64u << 20);
  EXPECT_FALSE(route->affinity.has_value());
  EXPECT_TRUE(route->rate_limits.empty());
  EXPECT_EQ(route->fallback, nullptr);
  EXPECT_EQ(route->after_cut, AfterCut::kFail);
  EXPECT_EQ(route->retry.on_exhaustion, Exhaustion::kFallback);
  EXPECT_FALSE(route->retry.transient);
  EXPECT_FALSE(route->retry.adaptive.has_value());
  EXPECT_EQ(route->retry.budget, RetryBudgetConfig());
  EXPECT_NE(route->state, nullptr);
}

TEST_F(RouteCompilerTest, AnOfferTellsWhatIsWrittenAndTheRoutesOwnBounds) {
  const auto silent = Route(Chat(""));
  EXPECT_FALSE(silent->offer->has_abilities());
  EXPECT_FALSE(silent->offer->limits().has_context_tokens());
  EXPECT_EQ(silent->offer->limits().max_response_bytes(), 4 << 20);
  EXPECT_EQ(silent->offer->limits().max_duration().seconds(), 600);
  const auto route = Route(
      Chat("offer: {description: small, context_tokens: 8000, abilities: {output: [text], json_schema: true}}\n"
           "timeouts: {overall: 5s}\n"));
  EXPECT_EQ(route->offer->description(), "small");
  EXPECT_THAT(route->offer->abilities().output(), ElementsAre(v1::MODALITY_TEXT));
  EXPECT_TRUE(route->offer->abilities().json_schema());
  EXPECT_FALSE(route->offer->abilities().has_tools());
  EXPECT_EQ(route->offer->limits().context_tokens(), 8000);
  EXPECT_EQ(route->offer->limits().max_duration().seconds(), 5);
}

TEST_F(RouteCompilerTest, HedgeQueueAffinityAndRestart) {
  const auto route = Route(
      Chat("hedge: {delay: 300ms, max_hedge_percent: 7, max_hedges: 2}\n"
           "queue: {max_length: 9, max_wait: 3s, window: 200ms, max_bytes: 5000}\n"
           "affinity: {metadata_key: session}\nafter_cut: RESTART\nmax_restarts: 4\n"));
  EXPECT_EQ(route->hedge->delay, absl::Milliseconds(300));
  EXPECT_EQ(route->hedge->max_percent, 7);
  EXPECT_EQ(route->hedge->max_hedges, 2);
  EXPECT_EQ(route->queue->max_length, 9u);
  EXPECT_EQ(route->queue->max_wait, absl::Seconds(3));
  EXPECT_EQ(route->queue->window, absl::Milliseconds(200));
  EXPECT_EQ(route->queue->max_bytes, 5000u);
  EXPECT_EQ(route->affinity->metadata_key, "session");
  EXPECT_EQ(route->after_cut, AfterCut::kRestart);
  EXPECT_EQ(route->max_restarts, 4);
}

TEST_F(RouteCompilerTest, TheGraceOfAnEnd) {
  EXPECT_EQ(Route(Chat(""))->timeouts.end_grace, absl::Seconds(2));
  EXPECT_EQ(Route(Chat("timeouts: {end_grace: 0s}"))->timeouts.end_grace, absl::ZeroDuration());
  EXPECT_EQ(Route(Chat("timeouts: {end_grace: 300ms, overall: 1m}"))->timeouts.end_grace, absl::Milliseconds(300));
}

TEST_F(RouteCompilerTest, BoundsOfAStream) {
  const auto route = Route(Chat("stream: {max_pending_bytes: 5000, max_event_bytes: 6000, max_response_bytes: 7000, "
                                "coalesce: 40ms}"));
  EXPECT_EQ(route->stream.max_pending_bytes, 5000u);
  EXPECT_EQ(route->stream.max_event_bytes, 6000u);
  EXPECT_EQ(route->stream.max_response_bytes, 7000u);
  EXPECT_EQ(route->stream.coalesce, absl::Milliseconds(40));
}

TEST_F(RouteCompilerTest, HedgeAtP95AndAffinityByPrompt) {
  const auto route = Route(Chat("hedge: p95\naffinity: {prompt_prefix_bytes: 512}"));
  EXPECT_FALSE(route->hedge->delay.has_value());
  EXPECT_EQ(route->hedge->max_percent, 2);
  EXPECT_EQ(route->hedge->max_hedges, 1);
  EXPECT_EQ(route->affinity->metadata_key, "");
  EXPECT_EQ(route->affinity->prompt_prefix_bytes, 512u);
}

TEST_F(RouteCompilerTest, TheWaitOfAQueueYieldsToItsWindow) {
  EXPECT_EQ(Route(Chat("queue: {window: 20s}"))->queue->max_wait, absl::Seconds(20));
  EXPECT_EQ(Route(Chat("queue: {window: 2s}"))->queue->max_wait, absl::Seconds(5));
}

TEST_F(RouteCompilerTest, EveryFieldOfARetryPolicy) {
  const auto route =
      Route(Chat("queue: {}\nretry: {transient: true, on_exhaustion: QUEUE, "
                 "budget: {max_tokens: 20, token_ratio: 0.5, retry_percent: 10, min_retries: 7}, "
                 "adaptive: {latency_above: 2s, failure_percent_above: 40, window: 30s}}"));
  EXPECT_TRUE(route->retry.transient);
  EXPECT_EQ(route->retry.on_exhaustion, Exhaustion::kQueue);
  EXPECT_EQ(route->retry.budget, (RetryBudgetConfig{20, 0.5, 10, 7}));
  EXPECT_EQ(*route->retry.adaptive, (AdaptiveRetryConfig{absl::Seconds(2), 40, absl::Seconds(30)}));
  EXPECT_EQ(Route(Chat("retry: {on_exhaustion: ERROR}"))->retry.on_exhaustion, Exhaustion::kError);
}

TEST_F(RouteCompilerTest, RateLimitsAreSharedByWhoeverNamesThem) {
  const auto table = Table(
      Chat("rate_limits: [all, each]",
           Named("{kind: Route, name: other, match: {model: x}, targets: [{upstream: u}], rate_limits: [each, up]}") +
               Named("{kind: RateLimit, name: all, requests: 100, per: 1s}") +
               Named("{kind: RateLimit, name: each, tokens: 5000, scope: TENANT, max_tenants: 12}") +
               Named("{kind: RateLimit, name: up, requests: 3, tokens: 4, scope: UPSTREAM}")));
  const auto& chat = table->Find("chat")->rate_limits;
  const auto& other = table->Find("other")->rate_limits;
  ASSERT_EQ(chat.size(), 2u);
  ASSERT_EQ(other.size(), 2u);
  EXPECT_EQ(chat[0].name, "all");
  EXPECT_EQ(chat[0].scope, RateLimitUse::Scope::kRoute);
  EXPECT_EQ(chat[0].config, (RateLimitConfig{100, std::nullopt, absl::Seconds(1)}));
  EXPECT_EQ(chat[1].scope, RateLimitUse::Scope::kTenant);
  EXPECT_EQ(chat[1].config, (RateLimitConfig{std::nullopt, 5000, absl::Minutes(1)}));
  EXPECT_EQ(chat[1].max_keys, 12u);
  EXPECT_EQ(other[1].scope, RateLimitUse::Scope::kUpstream);
  EXPECT_GE(other[1].max_keys, 2u);  // one for each upstream
  EXPECT_EQ(chat[1].state, other[0].state);
  EXPECT_NE(chat[0].state, chat[1].state);
}

TEST_F(RouteCompilerTest, AFallbackToATargetIsARouteOfItsOwn) {
  const auto route = Route(
      Chat("timeouts: {first_content: 3s}\nretry: {max_attempts: 2, on_exhaustion: FALLBACK}\n"
           "stream: {max_event_bytes: 4096, coalesce: 30ms}\nhedge: p95\nqueue: {}\nafter_cut: RESTART\n"
           "affinity: {metadata_key: session}\nrate_limits: [mine, up]\n"
           "fallback: {causes: [CONNECT, TIMEOUT], target: {upstream: local, model: small}}",
           Named("{kind: RateLimit, name: mine, requests: 1}") +
               Named("{kind: RateLimit, name: up, requests: 1, scope: UPSTREAM}")));
  ASSERT_NE(route->fallback, nullptr);
  EXPECT_EQ(route->fallback->name, "");
  EXPECT_EQ(route->fallback->causes, (std::set<FailureKind>{FailureKind::kConnect, FailureKind::kTimeout}));
  const RouteConfig& made = *route->fallback->route;
  EXPECT_EQ(made.name, "chat");
  ASSERT_EQ(made.targets.size(), 1u);
  EXPECT_EQ(made.targets[0].upstream->name, "local");
  EXPECT_EQ(made.targets[0].model, "small");
  EXPECT_EQ(made.targets[0].weight, 1u);
  EXPECT_EQ(made.timeouts.first_content, absl::Seconds(3));
  EXPECT_EQ(made.retry.max_attempts, 2);
  EXPECT_EQ(made.retry.on_exhaustion, Exhaustion::kError);
  EXPECT_EQ(made.stream.max_event_bytes, 4096u);
  EXPECT_EQ(made.stream.coalesce, absl::Milliseconds(30));
  EXPECT_EQ(made.after_cut, AfterCut::kRestart);
  EXPECT_TRUE(made.affinity.has_value());
  EXPECT_FALSE(made.hedge.has_value());
  EXPECT_TRUE(made.queue.has_value());
  EXPECT_EQ(made.fallback, nullptr);
  ASSERT_EQ(made.rate_limits.size(), 1u);
  EXPECT_EQ(made.rate_limits[0].name, "up");
  EXPECT_NE(made.state, nullptr);
  EXPECT_NE(made.state, route->state);
}

TEST_F(RouteCompilerTest, AFallbackToARouteIsThatRoute) {
  // By name before and after the route that leads to it.
  const auto table =
      Table(Chat("fallback: down",
                 Named("{kind: Fallback, name: down, route: a-small}") +
                     Named("{kind: Route, name: a-small, match: {model: a}, targets: [{upstream: local}], "
                           "fallback: {route: z-tiny}}") +
                     Named("{kind: Route, name: z-tiny, match: {model: z}, targets: [{upstream: local}], "
                           "fallback: {static_answer: {text: 'Sorry: {cause}'}}}")));
  const auto chat = table->Find("chat");
  EXPECT_EQ(chat->fallback->name, "down");
  EXPECT_EQ(chat->fallback->route, table->Find("a-small"));
  EXPECT_EQ(chat->fallback->route->fallback->route, table->Find("z-tiny"));
  EXPECT_EQ(table->Find("z-tiny")->fallback->route, nullptr);
  EXPECT_EQ(table->Find("z-tiny")->fallback->static_answer, "Sorry: {cause}");
}

TEST_F(RouteCompilerTest, TheDefaultFallbackIsForRoutesThatNameNone) {
  const auto table = Table(
      Chat("", Named("{kind: Fallback, name: default, route: small}") +
                   Named("{kind: Route, name: small, match: {model: s}, targets: [{upstream: local}]}") +
                   Named("{kind: Route, name: own, match: {model: o}, targets: [{upstream: u}], "
                         "fallback: {static_answer: {text: x}}}")));
  EXPECT_EQ(table->Find("chat")->fallback->name, "default");
  EXPECT_EQ(table->Find("chat")->fallback->route, table->Find("small"));
  // It would lead back to itself.
  EXPECT_EQ(table->Find("small")->fallback, nullptr);
  EXPECT_EQ(table->Find("own")->fallback->static_answer, "x");
}

TEST_F(RouteCompilerTest, FallbacksOneBehindTheOtherCompileInAnyOrderOfNames) {
  std::string yaml = kUpstreams;
  const std::vector<std::string> names = {"m", "c", "x", "a", "z", "b", "y", "k", "d"};
  for (size_t i = 0; i < names.size(); ++i) {
    yaml += "---\n{kind: Route, name: " + names[i] + ", match: {model: " + names[i] + "}, targets: [{upstream: u}]" +
            (i + 1 < names.size() ? ", fallback: {route: " + names[i + 1] + "}}" : "}") + "\n";
  }
  const auto table = Table(yaml);
  ASSERT_NE(table, nullptr);
  const RouteConfig* at = table->Find(names[0]).get();
  for (size_t i = 1; i < names.size(); ++i) {
    ASSERT_NE(at->fallback, nullptr);
    at = at->fallback->route.get();
    EXPECT_EQ(at, table->Find(names[i]).get());
  }
}

}  // namespace
}  // namespace sluice

// Policies that contradict themselves or each other, one row each: what is
// refused, and what is near it and is not.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/proto/validate_text.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Up(const std::string& fields) {
  return "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: http://h/v1}]\n" + fields + "\n";
}
std::string Route(const std::string& fields, const std::string& name = "chat") {
  return "---\nkind: Route\nname: " + name + "\nmatch: {model: " + name + "}\ntargets: [{upstream: u, model: m}]\n" +
         fields + "\n";
}
std::string One(const std::string& fields) { return Up("") + Route(fields); }
std::string Breaker(const std::string& fields) { return "kind: CircuitBreaker\nname: b\n" + fields; }
std::string Limits(const std::string& fields) { return Up("limits: {" + fields + "}"); }
std::string Limit(const std::string& fields) { return "kind: RateLimit\nname: l\n" + fields; }
std::string Named(const std::string& kind, const std::string& name, const std::string& fields) {
  return "---\nkind: " + kind + "\nname: " + name + "\n" + fields + "\n";
}

class ResilienceRulesTest : public ::testing::TestWithParam<Row> {};

TEST_P(ResilienceRulesTest, SaysExactlyThis) { ExpectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    Hedges, ResilienceRulesTest,
    ::testing::Values(
        Row{"Valid", One("hedge: {delay: 300ms, max_hedge_percent: 5%, max_hedges: 2}"), ""},
        Row{"AtP95", One("hedge: p95"), ""},
        Row{"NoBudget", One("hedge: p95\nretry: {budget: {retry_percent: 0, min_retries: 0}}"),
            "CONFLICT route/chat hedge: has no budget to spend, for budget.retry_percent and budget.min_retries are "
            "both 0; raise one of them, or leave hedge out"},
        Row{"NoBudgetByName", One("hedge: p95\nretry: tight") +
                                  Named("RetryPolicy", "tight", "budget: {retry_percent: 0, min_retries: 0}"),
            "CONFLICT route/chat hedge: has no budget to spend, for budget.retry_percent and budget.min_retries are "
            "both 0 (retrypolicy/tight); raise one of them, or leave hedge out"},
        Row{"SomeBudget", One("hedge: p95\nretry: {budget: {retry_percent: 0, min_retries: 1}}"), ""},
        Row{"NoBudgetWithoutHedge", One("retry: {budget: {retry_percent: 0, min_retries: 0}}"), ""},
        Row{"OneAttempt", One("hedge: p95\nretry: {max_attempts: 1}"),
            "CONFLICT route/chat hedge: has no attempt to spend, for max_attempts is 1 and hedges count as attempts; "
            "raise it to 2 or more, or leave hedge out"},
        Row{"OneAttemptByDefault", One("hedge: p95") + Named("RetryPolicy", "default", "max_attempts: 1"),
            "CONFLICT route/chat hedge: has no attempt to spend, for max_attempts is 1 (retrypolicy/default) and "
            "hedges count as attempts; raise it to 2 or more, or leave hedge out"},
        // Once accepted, always accepted: the engine hedges as far as attempts go.
        Row{"MoreThanAttempts", One("hedge: {p95: {}, max_hedges: 2}\nretry: {max_attempts: 2}"), ""},
        Row{"MoreThanDefaultAttempts", One("hedge: {p95: {}, max_hedges: 5}"), ""},
        Row{"AsManyAsAttemptsLeave", One("hedge: {p95: {}, max_hedges: 4}\nretry: {max_attempts: 5}"), ""},
        Row{"OneAttemptToldOnce", One("hedge: {p95: {}, max_hedges: 4}\nretry: {max_attempts: 1}"),
            "CONFLICT route/chat hedge: has no attempt to spend, for max_attempts is 1 and hedges count as attempts; "
            "raise it to 2 or more, or leave hedge out"},
        Row{"NoShare", One("hedge: {p95: {}, max_hedge_percent: 0}"),
            "CONFLICT route/chat hedge.max_hedge_percent: 0 hedges no call; allow some, or leave hedge out"},
        Row{"AfterTheTimeout", One("hedge: {delay: 10s}\ntimeouts: {first_content: 10s}"),
            "CONFLICT route/chat hedge.delay: 10s is not before timeouts.first_content (10s), when there is nothing "
            "left to hedge; must be < timeouts.first_content"},
        Row{"AfterTheDefaultTimeout", One("hedge: {delay: 40s}"),
            "CONFLICT route/chat hedge.delay: 40s is not before timeouts.first_content (30s, the default), when there "
            "is nothing left to hedge; must be < timeouts.first_content"},
        Row{"AfterTheDeadline", One("hedge: {delay: 6s}\ntimeouts: {overall: 5s}"),
            "CONFLICT route/chat hedge.delay: 6s is not before timeouts.overall (5s), when there is nothing left to "
            "hedge; must be < timeouts.overall"},
        Row{"NoDelay", One("hedge: {max_hedges: 2}"),
            "REQUIRED route/chat hedge: says nothing; set one of delay or p95"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Caps, ResilienceRulesTest,
    ::testing::Values(
        Row{"OpenAboveMaxOpen", Breaker("open: 10m\nmax_open: 5m"),
            "CONFLICT circuitbreaker/b open: 10m is above max_open (5m); must be <= max_open"},
        Row{"OpenAboveDefaultMaxOpen", Breaker("open: 10m"), ""},
        Row{"OpenBelowDefault", Breaker("max_open: 5s"), ""},
        Row{"OpenInline", Up("circuit_breaker: {open: 10m, max_open: 5m}"),
            "CONFLICT upstream/u circuit_breaker.open: 10m is above max_open (5m); must be <= max_open"},
        Row{"OpenOfTheWhole", Up("overall_circuit_breaker: {open: 10m, max_open: 5m}"),
            "CONFLICT upstream/u overall_circuit_breaker.open: 10m is above max_open (5m); must be <= max_open"},
        Row{"EjectionAboveMax", Up("outlier_detection: {base_ejection: 2m, max_ejection: 1m}"),
            "CONFLICT upstream/u outlier_detection.base_ejection: 2m is above max_ejection (1m); must be <= "
            "max_ejection"},
        Row{"EjectsNothing", Up("outlier_detection: {max_ejected_percent: 0}"),
            "CONFLICT upstream/u outlier_detection.max_ejected_percent: 0 ejects nothing; allow some, or leave "
            "outlier_detection out"},
        Row{"AdaptiveMinAboveMax", Limits("adaptive: true, adaptive_min: 20, adaptive_max: 10"),
            "CONFLICT upstream/u limits.adaptive_min: 20 is above adaptive_max (10); must be <= adaptive_max"},
        Row{"AdaptiveMinAboveRequests", Limits("adaptive: true, adaptive_min: 20, max_requests: 10"),
            "CONFLICT upstream/u limits.adaptive_min: 20 is above max_requests (10); must be <= max_requests"},
        Row{"AdaptiveBoundWithoutAdaptive", Limits("max_requests: 9, adaptive_max: 10"),
            "CONFLICT upstream/u limits.adaptive_max: bounds the adaptive limit, which is off; set adaptive: true or "
            "leave it out"},
        Row{"PendingAboveRequests", Limits("max_requests: 9, max_pending: 10"),
            "CONFLICT upstream/u limits.max_pending: 10 is above max_requests (9); must be <= max_requests"},
        Row{"PendingAlone", Limits("max_pending: 10"), ""},
        Row{"LimitsOfNothing", Up("limits: {}"),
            "REQUIRED upstream/u limits: limits nothing; set max_requests, max_pending, max_tokens_in_flight or "
            "adaptive"},
        Row{"HealthTimeoutAboveInterval", Up("health_check: {interval: 1s, timeout: 2s}"),
            "CONFLICT upstream/u health_check.timeout: 2s is above interval (1s); must be <= interval"},
        Row{"HealthIntervalBelowDefaultTimeout", Up("health_check: {interval: 1s}"), ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Queues, ResilienceRulesTest,
    ::testing::Values(
        Row{"Valid", One("queue: {max_wait: 5s, window: 1s}\ntimeouts: {overall: 5s}"), ""},
        Row{"LongerThanTheDeadline", One("queue: {max_wait: 10s}\ntimeouts: {overall: 5s}"),
            "CONFLICT route/chat queue.max_wait: 10s is above timeouts.overall (5s); must be <= timeouts.overall"},
        Row{"DefaultWaitAboveTheDeadline", One("queue: {}\ntimeouts: {overall: 2s}"), ""},
        Row{"WindowAboveWait", One("queue: {max_wait: 1s, window: 2s}"),
            "CONFLICT route/chat queue.window: 2s is above max_wait (1s); must be <= max_wait"},
        Row{"WindowAboveDefaultWait", One("queue: {window: 20s}"), ""},
        Row{"NoWaitsAtAll", One("queue: {max_length: 0}"), ""},
        Row{"NoWaitsOfSomeLength", One("queue: {max_length: 0, max_wait: 3s}"),
            "CONFLICT route/chat queue.max_wait: has no effect, for max_length is 0 and no call waits; leave one of them "
            "out"},
        Row{"NoWaitsInBatches", One("queue: {max_length: 0, window: 1s}"),
            "CONFLICT route/chat queue.window: has no effect, for max_length is 0 and no call waits; leave one of them out"},
        Row{"NoWaitsOfSomeSize", One("queue: {max_length: 0, max_bytes: 1000}"),
            "CONFLICT route/chat queue.max_bytes: has no effect, for max_length is 0 and no call waits; leave one of them "
            "out"},
        Row{"WindowAboveTheDeadline", One("queue: {window: 20s}\ntimeouts: {overall: 5s}"),
            "CONFLICT route/chat queue.window: 20s is above timeouts.overall (5s); must be <= timeouts.overall"},
        Row{"BackoffAboveTheDeadline", One("retry: {backoff: {fixed: {delay: 1m}}}\ntimeouts: {overall: 30s}"),
            "CONFLICT route/chat retry.backoff.fixed.delay: 1m is above timeouts.overall (30s); must be <= "
            "timeouts.overall"},
        Row{"ExhaustionWithoutQueue", One("retry: {on_exhaustion: QUEUE}"),
            "CONFLICT route/chat retry.on_exhaustion: QUEUE needs a queue, and this route has none; set queue"},
        Row{"ExhaustionByNameWithoutQueue",
            One("retry: patient") + Named("RetryPolicy", "patient", "on_exhaustion: QUEUE"),
            "CONFLICT route/chat queue: is missing: on_exhaustion is QUEUE (retrypolicy/patient); set queue, or take "
            "another retry policy"},
        Row{"ExhaustionWithAQueueForNobody", One("queue: {max_length: 0}\nretry: {on_exhaustion: QUEUE}"),
            "CONFLICT route/chat retry.on_exhaustion: QUEUE needs a queue in which calls may wait, and this one's "
            "max_length is 0; raise max_length, or set another on_exhaustion"},
        Row{"ExhaustionWithQueue", One("queue: {}\nretry: {on_exhaustion: QUEUE}"), ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Restarts, ResilienceRulesTest,
    ::testing::Values(
        Row{"Valid", One("after_cut: RESTART\nmax_restarts: 2"), ""},
        Row{"OneAttempt", One("after_cut: RESTART\nretry: {max_attempts: 1}"),
            "CONFLICT route/chat after_cut: RESTART needs another attempt, and max_attempts is 1; raise it to 2 or "
            "more, or set transient: true there"},
        Row{"OneAttemptInARow", One("after_cut: RESTART\nretry: {max_attempts: 1, transient: true}"), ""}),
    NameOf);

const char kLocal[] = "fallback: {target: {upstream: local}}";

std::string Local() { return Named("Upstream", "local", "format: OPENAI\nendpoints: [{url: http://l/v1}]"); }

INSTANTIATE_TEST_SUITE_P(
    Fallbacks, ResilienceRulesTest,
    ::testing::Values(
        Row{"Valid", One(kLocal) + Local(), ""},
        Row{"Static", One("fallback: {static_answer: {text: 'Sorry ({cause}).'}}"), ""},
        Row{"StaticWithoutText", One("fallback: {static_answer: {}}"),
            "REQUIRED route/chat fallback.static_answer.text: is required"},
        Row{"Nothing", One("fallback: {causes: [CONNECT]}"),
            "REQUIRED route/chat fallback: says nothing; set one of route, target or static_answer"},
        Row{"MisspeltName", One("fallback: chaep") + Named("Fallback", "cheap", "static_answer: {text: x}"),
            "UNKNOWN_REFERENCE route/chat fallback: \"chaep\" does not exist; did you mean \"cheap\"?"},
        Row{"MisspeltRoute", One("fallback: {route: small}"),
            "UNKNOWN_REFERENCE route/chat fallback.route: \"small\" does not exist; there is no Route of that name"},
        Row{"MisspeltUpstream", One("fallback: {target: {upstream: locl}}") + Local(),
            "UNKNOWN_REFERENCE route/chat fallback.target.upstream: \"locl\" does not exist; did you mean \"local\"?"},
        Row{"WeightZero", One("fallback: {target: {upstream: local, weight: 0}}") + Local(),
            "CONFLICT route/chat fallback.target.weight: 0 takes no call, and there is no other target; leave weight "
            "out"},
        Row{"ItsOwnTarget", One("fallback: {target: {upstream: u, model: m}}"),
            "CONFLICT route/chat fallback.target: asks once more what the route itself asks, and nothing else; use "
            "another upstream or model"},
        Row{"AnotherModelThere", One("fallback: {target: {upstream: u, model: small}}"), ""},
        Row{"ChosenAndAbsent", One("retry: {on_exhaustion: FALLBACK}"),
            "CONFLICT route/chat retry.on_exhaustion: FALLBACK needs a fallback, and this route has none and there is "
            "none named \"default\"; set fallback"},
        Row{"ChosenByNameAndAbsent", One("retry: r") + Named("RetryPolicy", "r", "on_exhaustion: FALLBACK"),
            "CONFLICT route/chat fallback: is missing: on_exhaustion is FALLBACK (retrypolicy/r) and there is no "
            "fallback named \"default\"; set fallback"},
        Row{"ChosenForAllThatHaveOne", One("") + Named("RetryPolicy", "default", "on_exhaustion: FALLBACK"), ""},
        Row{"ChosenAndDefault",
            One("retry: {on_exhaustion: FALLBACK}") + Named("Fallback", "default", "static_answer: {text: x}"), ""},
        Row{"ErrorAndFallback", One(std::string(kLocal) + "\nretry: {on_exhaustion: ERROR}") + Local(),
            "CONFLICT route/chat retry.on_exhaustion: ERROR excludes the fallback of this route, which would never "
            "answer; leave one of them out"},
        Row{"ErrorForAllInAnIncident",
            One(std::string(kLocal)) + Local() + Named("RetryPolicy", "default", "on_exhaustion: ERROR"), ""}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Circles, ResilienceRulesTest,
    ::testing::Values(
        Row{"ToItself", One("fallback: {route: chat}"),
            "CONFLICT route/chat fallback: goes round in a circle: route/chat → route/chat; let one of them end "
            "elsewhere"},
        Row{"OfThree",
            Up("") + Route("fallback: x", "b") + Route("fallback: {route: b}", "c") +
                Route("fallback: {route: c}", "a") + Named("Fallback", "x", "route: a"),
            "CONFLICT route/a fallback: goes round in a circle: route/a → route/c → route/b → fallback/x → route/a; "
            "let one of them end elsewhere"},
        Row{"BehindAWay", Up("") + Route("fallback: {route: b}", "a") + Route("fallback: {route: c}", "b") +
                              Route("fallback: {route: b}", "c"),
            "CONFLICT route/b fallback: goes round in a circle: route/b → route/c → route/b; let one of them end "
            "elsewhere"},
        Row{"NoCircle", Up("") + Route("fallback: {route: b}", "a") + Route("fallback: {route: c}", "b") +
                            Route("", "c"),
            ""},
        Row{"DefaultLeadsToARoute", One("") + Route("", "small") + Named("Fallback", "default", "route: small"), ""},
        Row{"DefaultLeadsOnAndOn", One("") + Route("fallback: {route: tiny}", "small") + Route("", "tiny") +
                                       Named("Fallback", "default", "route: small"),
            ""},
        Row{"DefaultNamedByItsOwnRoute",
            One("") + Route("fallback: default", "small") + Named("Fallback", "default", "route: small"),
            "CONFLICT route/small fallback: goes round in a circle: route/small → fallback/default → route/small; let "
            "one of them end elsewhere"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Limits, ResilienceRulesTest,
    ::testing::Values(
        Row{"Valid", Limit("requests: 100\ntokens: 20000\nscope: TENANT\nmax_tenants: 5"), ""},
        Row{"OfNothing", Limit("per: 1s"), "REQUIRED ratelimit/l : limits nothing; set requests, tokens or both"},
        Row{"TenantsOfARoute", Limit("requests: 1\nmax_tenants: 5"),
            "CONFLICT ratelimit/l max_tenants: bounds what scope TENANT remembers, and the scope is another; set "
            "scope: TENANT or leave it out"},
        Row{"NamedTwice", One("rate_limits: [l, l]\n---\n" + Limit("requests: 1")),
            "DUPLICATE route/chat rate_limits[1]: \"l\" is there already; it is charged once"},
        Row{"MisspeltName", One("rate_limits: [lo]\n---\n" + Named("RateLimit", "low", "requests: 1")),
            "UNKNOWN_REFERENCE route/chat rate_limits[0]: \"lo\" does not exist; did you mean \"low\"?"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Upstreams, ResilienceRulesTest,
    ::testing::Values(
        Row{"CredentialTwoWays", Up("credential: env:A\ncredentials: [env:B]"),
            "CONFLICT upstream/u credentials: excludes credential; write every credential in credentials, or leave it "
            "out"},
        Row{"CredentialTwice", Up("credentials: [env:A, env:B, env:A]"),
            "DUPLICATE upstream/u credentials[2]: is the same as credentials[0]; each takes its turn once"},
        Row{"MisspeltBreaker", Up("circuit_breaker: slwo") + "---\n" + Named("CircuitBreaker", "slow", ""),
            "UNKNOWN_REFERENCE upstream/u circuit_breaker: \"slwo\" does not exist; did you mean \"slow\"?"},
        Row{"MisspeltOverallBreaker", Up("overall_circuit_breaker: slwo") + Named("CircuitBreaker", "slow", ""),
            "UNKNOWN_REFERENCE upstream/u overall_circuit_breaker: \"slwo\" does not exist; did you mean \"slow\"?"},
        Row{"RingWithoutAffinity", Up("balance: ring_hash") + Route(""),
            "CONFLICT upstream/u balance.ring_hash: has nothing to hash: no route that calls this upstream has an "
            "affinity; give one to a route, or balance otherwise"},
        Row{"RingWithAffinity", Up("balance: ring_hash") + Route("affinity: {metadata_key: session}"), ""},
        Row{"RingWithoutRoute", Up("balance: ring_hash"), ""},
        Row{"RingOfAFallback",
            Up("") + Route("affinity: {prompt_prefix_bytes: 512}\nfallback: {target: {upstream: ring}}") +
                Named("Upstream", "ring", "format: OPENAI\nbalance: ring_hash\nendpoints: [{url: http://r}]"),
            ""},
        Row{"AffinityOfNothing", One("affinity: {prompt_prefix_bytes: 0}"),
            "OUT_OF_RANGE route/chat affinity.prompt_prefix_bytes: 0 is out of range; 1 to 1048576 is accepted"},
        Row{"BalanceByItsDefaultKind", Up("balance: {panic_percent: 0, slow_start: {window: 30s}}"), ""},
        Row{"ZonesThatNobodyHas", Up("balance: {prefer_same_zone: true}"),
            "CONFLICT upstream/u balance.prefer_same_zone: no endpoint says its zone, so that none could be preferred; "
            "give the endpoints their zone"},
        Row{"Zones",
            "kind: Upstream\nname: u\nformat: OPENAI\nbalance: {prefer_same_zone: true}\n"
            "endpoints: [{url: http://h, zone: eu-1}]\n",
            ""}),
    NameOf);

TEST(ResilienceCirclesTest, FallbacksOneBehindTheOtherAreBounded) {
  const auto chain = [](int routes) {
    std::string yaml = Up("");
    for (int i = 0; i < routes; ++i) {
      const std::string next = i + 1 < routes ? "fallback: {route: r" + std::to_string(i + 1) + "}" : "";
      yaml += Route(next, "r" + std::to_string(i));
    }
    return Texts(Validate(yaml));
  };
  EXPECT_THAT(chain(9), IsEmpty());
  EXPECT_THAT(chain(10), ElementsAre("OUT_OF_RANGE route/r0 fallback: leads through 9 routes one after the other; at "
                                     "most 8"));
  EXPECT_THAT(chain(500), ::testing::SizeIs(1));
}

TEST(ResilienceReferrersTest, WhatIsNamedKnowsWhoNamesIt) {
  const LoadResult loaded = LoadPolicyText(
      Up("circuit_breaker: b\noverall_circuit_breaker: b") +
          Route("rate_limits: [l]\nfallback: f") + Route("fallback: {target: {upstream: u, model: x}}", "two") +
          Named("CircuitBreaker", "b", "") + Named("RateLimit", "l", "requests: 1") + Named("Fallback", "f", "route: two"),
      "p.yaml");
  ASSERT_THAT(loaded.errors, IsEmpty());
  std::vector<const v1::Resource*> all;
  for (const LoadedResource& one : loaded.resources) all.push_back(&one.resource);
  EXPECT_THAT(ReferrersOf("CircuitBreaker", "b", all), ElementsAre("upstream/u"));
  EXPECT_THAT(ReferrersOf("RateLimit", "l", all), ElementsAre("route/chat"));
  EXPECT_THAT(ReferrersOf("Fallback", "f", all), ElementsAre("route/chat"));
  EXPECT_THAT(ReferrersOf("Route", "two", all), ElementsAre("fallback/f"));
}

TEST(ResilienceSuggestionTest, NamesABetterValueWhereOneIsAtHand) {
  const auto suggestion = [](const std::string& yaml) {
    const auto violations = Validate(yaml);
    return violations.size() == 1 ? violations[0].suggestion() : "not one violation";
  };
  EXPECT_EQ(suggestion(Breaker("open: 10m\nmax_open: 5m")), "5m");
  EXPECT_EQ(suggestion(One("queue: {max_wait: 10s}\ntimeouts: {overall: 5s}")), "5s");
  EXPECT_EQ(suggestion(One("hedge: {p95: {}, max_hedge_percent: 0}")), "2");
  EXPECT_EQ(suggestion(One("after_cut: RESTART\nretry: {max_attempts: 1}")), "FAIL");
}

}  // namespace
}  // namespace sluice

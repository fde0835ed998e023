#include "server/telemetry/call_metrics.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <string>
#include <utility>

namespace sluice {
namespace {

CallInfo Info(std::string route = "chat") {
  CallInfo info;
  info.operation = "chat";
  info.streaming = true;
  info.route = std::move(route);
  info.model_label = "gpt";
  return info;
}

AttemptRecord Attempt(std::string endpoint, FailureKind failure) {
  AttemptRecord attempt;
  attempt.upstream = "openai";
  attempt.endpoint = std::move(endpoint);
  attempt.provider = "openai";
  attempt.model = "gpt-4o-mini";
  attempt.failure = failure;
  attempt.outcome = failure == FailureKind::kNone ? AttemptOutcome::kOk : AttemptOutcome::kFailed;
  return attempt;
}

// One failed attempt, then a good one at another endpoint.
CallRecord RetriedCall() {
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  record.attempts = {Attempt("a", FailureKind::kOverload), Attempt("b", FailureKind::kNone)};
  record.total = absl::Milliseconds(1050);
  record.time_to_first_token = absl::Milliseconds(50);
  record.delivered.input_tokens = 12;
  record.delivered.output_tokens = 21;
  return record;
}

void RunCall(CallMetrics& loop, const CallInfo& info, const CallRecord& record) {
  loop.CallStarted(info);
  for (size_t i = 0; i < record.attempts.size(); ++i) {
    if (i > 0) loop.RetryScheduled(info, record.attempts[i - 1], absl::ZeroDuration(), true);
    loop.AttemptEnded(info, record.attempts[i]);
  }
  loop.CallEnded(info, record);
}

std::string Render(const CallMetricsCollector& collector) {
  return prometheus::TextSerializer().Serialize(collector.Collect());
}

// The value of the one sample line that begins with `series`.
std::string ValueOf(const std::string& text, const std::string& series) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return line.substr(series.size() + 1);
  }
  return "no " + series + " in\n" + text;
}

TEST(CallMetricsTest, RetriedCallShowsInEveryCounter) {
  CallMetricsCollector collector;
  RunCall(collector.AddLoop(), Info(), RetriedCall());
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_attempts_total{route="chat",upstream="openai",endpoint="a",outcome="failed",error_class="overload"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_attempts_total{route="chat",upstream="openai",endpoint="b",outcome="ok",error_class=""})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_retries_total{route="chat",upstream="openai"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_failovers_total{route="chat",upstream="openai"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_retried_calls_total{route="chat"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_success_total{route="chat"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_calls_total{route="chat",outcome="complete",code="OK"})"), "1");
  EXPECT_EQ(ValueOf(text, "sluice_open_calls"), "0");
  EXPECT_EQ(ValueOf(text, "sluice_open_streams"), "0");
}

constexpr char kGenAi[] =
    R"(gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="gpt",gen_ai_response_model="gpt-4o-mini")";

TEST(CallMetricsTest, GenAiHistogramsHaveTheConventionsBuckets) {
  CallMetricsCollector collector;
  RunCall(collector.AddLoop(), Info(), RetriedCall());
  const std::string text = Render(collector);
  const std::string labels = kGenAi;
  const std::string duration = "gen_ai_client_operation_duration_seconds_bucket{" + labels + ",error_type=\"\",le=";
  EXPECT_EQ(ValueOf(text, duration + "\"0.64\"}"), "0");
  EXPECT_EQ(ValueOf(text, duration + "\"1.28\"}"), "1");
  EXPECT_EQ(ValueOf(text, duration + "\"655.36\"}"), "1");
  // A value on a bound belongs to that bucket.
  EXPECT_EQ(ValueOf(text, "gen_ai_server_time_to_first_token_seconds_bucket{" + labels + ",le=\"0.04\"}"), "0");
  EXPECT_EQ(ValueOf(text, "gen_ai_server_time_to_first_token_seconds_bucket{" + labels + ",le=\"0.06\"}"), "1");
  // 1 s for the 20 tokens after the first.
  EXPECT_EQ(ValueOf(text, "gen_ai_server_time_per_output_token_seconds_sum{" + labels + "}"), "0.05");
  EXPECT_EQ(ValueOf(text, "gen_ai_client_token_usage_sum{" + labels + ",gen_ai_token_type=\"input\"}"), "12");
  EXPECT_EQ(ValueOf(text, "gen_ai_client_token_usage_bucket{" + labels + ",gen_ai_token_type=\"output\",le=\"16\"}"), "0");
  EXPECT_EQ(ValueOf(text, "gen_ai_client_token_usage_bucket{" + labels + ",gen_ai_token_type=\"output\",le=\"64\"}"), "1");
}

TEST(CallMetricsTest, LoopsAreSummed) {
  CallMetricsCollector collector;
  CallMetrics& first = collector.AddLoop();
  CallMetrics& second = collector.AddLoop();
  RunCall(first, Info(), RetriedCall());
  RunCall(second, Info(), RetriedCall());
  first.CallStarted(Info());
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_retries_total{route="chat",upstream="openai"})"), "2");
  EXPECT_EQ(ValueOf(text, "gen_ai_server_time_to_first_token_seconds_count{" + std::string(kGenAi) + "}"), "2");
  EXPECT_EQ(ValueOf(text, "sluice_open_streams"), "1");
  EXPECT_EQ(collector.Totals().open_calls, 1);
  EXPECT_EQ(collector.Totals().calls, 2u);
}

TEST(CallMetricsTest, LabelsBeyondTheBoundAreCountedAsOther) {
  CallMetricsCollector collector(3);
  CallMetrics& loop = collector.AddLoop();
  for (int i = 0; i < 100; ++i) loop.Paused(Info("route-" + std::to_string(i)));
  loop.Paused(Info("route-1"));
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_stream_pauses_total{route="route-1"})"), "2");
  EXPECT_EQ(ValueOf(text, R"(sluice_stream_pauses_total{route="other"})"), "97");
  EXPECT_EQ(text.find("route-3\""), std::string::npos);
}

TEST(CallMetricsTest, TheCallersOwnErrorIsNoErrorOfTheNode) {
  CallMetricsCollector collector;
  CallMetrics& loop = collector.AddLoop();
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  for (FailureKind kind : {FailureKind::kCaller, FailureKind::kCancelled, FailureKind::kOverload}) {
    record.error.kind = kind;
    RunCall(loop, Info(), record);
  }
  EXPECT_EQ(collector.Totals().calls, 3u);
  EXPECT_EQ(collector.Totals().errors, 1u);
}

TEST(CallMetricsTest, RowB7RetrySuccessHasAZeroBesideWhatFailed) {
  CallMetricsCollector collector;
  CallRecord record = RetriedCall();
  record.outcome = CallOutcome::kFailed;
  record.error.kind = FailureKind::kOverload;
  RunCall(collector.AddLoop(), Info(), record);
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_retried_calls_total{route="chat"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_success_total{route="chat"})"), "0");
  EXPECT_EQ(ValueOf(text, R"(sluice_call_errors_total{route="chat"})"), "1");
}

TEST(CallMetricsTest, RowB5RetryShowsItsDelay) {
  CallMetricsCollector collector;
  CallMetrics& loop = collector.AddLoop();
  loop.RetryScheduled(Info(), Attempt("a", FailureKind::kOverload), absl::Milliseconds(200), false);
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_delay_seconds_bucket{route="chat",le="0.1"})"), "0");
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_delay_seconds_bucket{route="chat",le="0.25"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_delay_seconds_sum{route="chat"})"), "0.2");
  EXPECT_EQ(ValueOf(text, R"(sluice_retries_total{route="chat",upstream="openai"})"), "1");
}

TEST(CallMetricsTest, EveryHookHasItsCounter) {
  CallMetricsCollector collector;
  CallMetrics& loop = collector.AddLoop();
  const AttemptRecord slow = Attempt("a", FailureKind::kNone);
  loop.HedgeStarted(Info(), slow);
  loop.HedgeStarted(Info(), slow);
  loop.HedgeWon(Info(), slow);
  loop.RetryRefused(Info(), "openai", RetryRefusal::kBudgetTokens);
  loop.RetryRefused(Info(), "openai", RetryRefusal::kBudgetConcurrency);
  loop.RetryRefused(Info(), "openai", RetryRefusal::kAdaptive);
  loop.RetryRefused(Info(), "openai", RetryRefusal::kHedgeShare);
  loop.Restarted(Info(), slow);
  loop.FallbackEntered(Info(), "local-small", FailureKind::kConnect);
  loop.Limited(Info(), {"per-minute", "", absl::Seconds(1)});
  loop.Limited(Info(), {"concurrency", "openai", absl::InfiniteDuration()});
  loop.Queued(Info());
  loop.LeftQueue(Info(), QueueExit::kTimedOut, absl::Seconds(3));
  loop.LeftQueue(Info(), QueueExit::kAdmitted, absl::Milliseconds(40));
  loop.BreakerChanged("openai", "a", BreakerState::kHalfOpen, BreakerState::kOpen);
  loop.BreakerChanged("openai", "", BreakerState::kClosed, BreakerState::kForcedOpen);
  loop.EndpointEjected("openai", "a", absl::Seconds(30));
  for (int i = 0; i < 3; ++i) loop.VerifyingStarted(Info(), slow);
  loop.VerifyingEnded(Info(), Attempt("a", FailureKind::kNone));
  loop.VerifyingEnded(Info(), Attempt("a", FailureKind::kTimeout));
  loop.HealthChecked("openai", "a", true);
  loop.HealthChecked("openai", "a", false);
  loop.HealthChecked("openai", "a", false);
  const std::string text = Render(collector);
  const std::pair<const char*, const char*> expected[] = {
      {R"(sluice_hedges_total{route="chat",upstream="openai"})", "2"},
      {R"(sluice_hedges_won_total{route="chat",upstream="openai"})", "1"},
      {R"(sluice_retries_refused_total{route="chat",upstream="openai",reason="budget_tokens"})", "1"},
      {R"(sluice_retries_refused_total{route="chat",upstream="openai",reason="budget_concurrency"})", "1"},
      {R"(sluice_retries_refused_total{route="chat",upstream="openai",reason="adaptive"})", "1"},
      {R"(sluice_retries_refused_total{route="chat",upstream="openai",reason="hedge_share"})", "1"},
      {R"(sluice_restarts_total{route="chat",upstream="openai"})", "1"},
      {R"(sluice_fallbacks_total{route="chat",fallback="local-small",cause="connect"})", "1"},
      {R"(sluice_limited_total{route="chat",upstream="",limit="per-minute"})", "1"},
      {R"(sluice_limited_total{route="chat",upstream="openai",limit="concurrency"})", "1"},
      {R"(sluice_queued_total{route="chat"})", "1"},
      {R"(sluice_queue_wait_seconds_count{route="chat",result="timed_out"})", "1"},
      {R"(sluice_queue_wait_seconds_sum{route="chat",result="admitted"})", "0.04"},
      {R"(sluice_breaker_changes_total{upstream="openai",endpoint="a",from="half_open",to="open"})", "1"},
      {R"(sluice_breaker_changes_total{upstream="openai",endpoint="",from="closed",to="forced_open"})", "1"},
      {R"(sluice_endpoint_ejections_total{upstream="openai",endpoint="a"})", "1"},
      {R"(sluice_verifying_attempts_total{upstream="openai",endpoint="a",outcome="ok",error_class=""})", "1"},
      {R"(sluice_verifying_attempts_total{upstream="openai",endpoint="a",outcome="failed",error_class="timeout"})", "1"},
      {"sluice_attempts_verifying", "1"},
      {R"(sluice_health_checks_total{upstream="openai",endpoint="a",result="passed"})", "1"},
      {R"(sluice_health_checks_total{upstream="openai",endpoint="a",result="failed"})", "2"},
  };
  for (const auto& [series, value] : expected) EXPECT_EQ(ValueOf(text, series), value);
}

TEST(CallMetricsTest, AHedgedCallIsNoRetriedOneAndTheWinnerNamesItsModel) {
  CallMetricsCollector collector;
  CallRecord record = RetriedCall();
  record.attempts[0].outcome = AttemptOutcome::kOk;
  record.attempts[0].failure = FailureKind::kNone;
  record.attempts[1].hedge = true;
  record.attempts[1].outcome = AttemptOutcome::kAbandoned;
  record.attempts[1].model = "loser";
  record.abandoned.input_tokens = 12;
  record.abandoned.output_tokens = 3;
  RunCall(collector.AddLoop(), Info(), record);
  const std::string text = Render(collector);
  EXPECT_EQ(text.find("sluice_retried_calls_total{"), std::string::npos);
  EXPECT_EQ(text.find("gen_ai_response_model=\"loser\""), std::string::npos);
  EXPECT_EQ(ValueOf(text, "gen_ai_server_time_to_first_token_seconds_count{" + std::string(kGenAi) + "}"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_abandoned_tokens_total{route="chat",type="input"})"), "12");
  EXPECT_EQ(ValueOf(text, R"(sluice_abandoned_tokens_total{route="chat",type="output"})"), "3");
}

TEST(CallMetricsTest, RowE3AFallbackIsAnOkThatIsToldApart) {
  CallMetricsCollector collector;
  CallRecord record = RetriedCall();
  record.outcome = CallOutcome::kFallback;
  record.error.kind = FailureKind::kOverload;
  record.error.grpc_code = TraitsOf(FailureKind::kOverload).grpc_code;
  RunCall(collector.AddLoop(), Info(), record);
  const std::string text = Render(collector);
  EXPECT_EQ(ValueOf(text, R"(sluice_calls_total{route="chat",outcome="fallback",code="OK"})"), "1");
  EXPECT_EQ(ValueOf(text, R"(sluice_call_errors_total{route="chat"})"), "0");
  EXPECT_EQ(ValueOf(text, R"(sluice_retry_success_total{route="chat"})"), "0");
  EXPECT_EQ(text.find("error_type=\"overload\""), std::string::npos);
}

TEST(CallMetricsTest, NoLabelIsTheCallers) {
  CallMetricsCollector collector;
  CallInfo info = Info();
  info.tenant = "the-tenant";
  info.call_id = "the-call";
  info.trace_id = "the-trace";
  CallRecord record = RetriedCall();
  record.error.message = "the-message";
  record.attempts[0].message = "the-message";
  record.attempts[0].credential = "the-credential";
  CallMetrics& loop = collector.AddLoop();
  RunCall(loop, info, record);
  loop.Limited(info, {"per-minute", "", absl::Seconds(1)});
  loop.Queued(info);
  const std::string text = Render(collector);
  EXPECT_EQ(text.find("\"the-"), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice

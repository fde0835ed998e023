#include "server/telemetry/attempt_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "server/telemetry/observer_fan_out.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

// 2026-11-22 19:00:00.125 UTC.
const absl::Time kTime = absl::FromUnixMillis(1795374000125);
constexpr char kContent[] = "my secret prompt";
constexpr char kSecret[] = "sk-very-secret";

LineWriter::Output AppendTo(std::string& text) {
  return [&text](std::string_view lines) {
    text += lines;
    return lines.size();
  };
}

class AttemptLogTest : public testing::Test {
 protected:
  CallObserver& Loop(AttemptLogLevel level, LogFormat format = LogFormat::kJson) {
    AttemptLogOptions options;
    options.level = level;
    options.format = format;
    LineWriterOptions lines;
    lines.interval = absl::ZeroDuration();
    writer_ = std::make_unique<LineWriter>(lines, AppendTo(text_), [](LineSort, uint64_t) { return ""; });
    log_ = std::make_unique<AttemptLog>(options, *writer_, [] { return kTime; });
    return log_->AddLoop();
  }

  std::vector<std::string> Lines() {
    writer_->Flush();
    std::vector<std::string> lines;
    std::istringstream text(text_);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  // The one line there is, as a JSON reader sees it.
  rapidjson::Document Line() {
    const auto lines = Lines();
    EXPECT_THAT(lines, SizeIs(1));
    rapidjson::Document document;
    if (!lines.empty()) document.Parse(lines[0].c_str());
    EXPECT_TRUE(document.IsObject());
    return document;
  }
  std::vector<std::string> Messages() {
    std::vector<std::string> messages;
    for (const std::string& line : Lines()) {
      rapidjson::Document document;
      document.Parse(line.c_str());
      messages.push_back(document["message"].GetString());
    }
    return messages;
  }

 private:
  std::string text_;  // the writer's until a Flush
  std::unique_ptr<LineWriter> writer_;
  std::unique_ptr<AttemptLog> log_;
};

CallInfo Info() {
  CallInfo info;
  info.call_id = "c0ffee";
  info.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  info.operation = "chat";
  info.streaming = true;
  info.route = "chat";
  info.model_label = "gpt";
  info.tenant = "acme";
  return info;
}

AttemptRecord Failed() {
  AttemptRecord attempt;
  attempt.number = 1;
  attempt.upstream = "openai";
  attempt.endpoint = "primary";
  attempt.provider = "openai";
  attempt.model = "gpt-4o-mini";
  attempt.credential = "env:KEY_A";
  attempt.outcome = AttemptOutcome::kFailed;
  attempt.failure = FailureKind::kOverload;
  attempt.message = kContent;
  attempt.http_status = 503;
  attempt.duration = absl::Microseconds(12345);
  attempt.retry_after = absl::Seconds(2);
  return attempt;
}

AttemptRecord Second() {
  AttemptRecord attempt = Failed();
  attempt.number = 2;
  attempt.endpoint = "backup";
  attempt.outcome = AttemptOutcome::kOk;
  attempt.failure = FailureKind::kNone;
  attempt.message = "";
  attempt.http_status = 200;
  attempt.backoff = absl::Milliseconds(212);
  attempt.time_to_first_token = absl::Milliseconds(310);
  attempt.duration = absl::Seconds(2);
  attempt.retry_after.reset();
  attempt.usage.input_tokens = 12;
  attempt.usage.output_tokens = 118;
  return attempt;
}

CallRecord Recovered() {
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  record.attempts = {Failed(), Second()};
  record.served_by = "openai/backup";
  record.delivered = Second().usage;
  record.abandoned.input_tokens = 12;
  record.queued = absl::Milliseconds(40);
  record.total = absl::Microseconds(2264345);
  record.time_to_first_token = absl::Milliseconds(574);
  return record;
}

CallRecord Smooth() {
  CallRecord record = Recovered();
  record.attempts = {Second()};
  record.attempts[0].number = 1;
  return record;
}

CallRecord Refused(FailureKind kind) {
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  record.error.kind = kind;
  record.error.grpc_code = TraitsOf(kind).grpc_code;
  record.error.reason = TraitsOf(kind).reason;
  record.error.message = kContent;
  return record;
}

TEST_F(AttemptLogTest, RowC5RowD11AttemptLinesAreGolden) {
  CallObserver& loop = Loop(AttemptLogLevel::kAll);
  loop.AttemptEnded(Info(), Failed());
  loop.AttemptEnded(Info(), Second());
  EXPECT_THAT(
      Lines(),
      ElementsAre(
          R"({"time":"2026-11-22T19:00:00.125Z","level":"warning","message":"attempt",)"
          R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","call_id":"c0ffee","route":"chat","upstream":"openai",)"
          R"("endpoint":"primary","model":"gpt-4o-mini","credential":"env:KEY_A","attempt":1,"retry_count":0,)"
          R"("status":"failed","error_type":"overload","http_status":503,"backoff_delay_ms":0.000,)"
          R"("duration_ms":12.345,"retry_after_ms":2000.000})",
          R"({"time":"2026-11-22T19:00:00.125Z","level":"info","message":"attempt",)"
          R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","call_id":"c0ffee","route":"chat","upstream":"openai",)"
          R"("endpoint":"backup","model":"gpt-4o-mini","credential":"env:KEY_A","attempt":2,"retry_count":1,)"
          R"("status":"ok","http_status":200,"backoff_delay_ms":212.000,"duration_ms":2000.000,)"
          R"("first_token_ms":310.000,"input_tokens":12,"output_tokens":118})"));
}

TEST_F(AttemptLogTest, RowC5CallLineIsGolden) {
  Loop(AttemptLogLevel::kAll).CallEnded(Info(), Recovered());
  EXPECT_THAT(
      Lines(),
      ElementsAre(
          R"({"time":"2026-11-22T19:00:00.125Z","level":"info","message":"call",)"
          R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","call_id":"c0ffee","route":"chat","operation":"chat",)"
          R"("streaming":true,"model":"gpt","tenant":"acme","outcome":"complete","code":"OK","attempts":2,)"
          R"("served_by":"openai/backup","queue_wait_ms":40.000,"total_ms":2264.345,"first_token_ms":574.000,)"
          R"("input_tokens":12,"output_tokens":118,"abandoned_input_tokens":12})"));
}

TEST_F(AttemptLogTest, TextHasTheSameFields) {
  CallObserver& loop = Loop(AttemptLogLevel::kAll, LogFormat::kText);
  loop.AttemptEnded(Info(), Failed());
  loop.CallEnded(Info(), Recovered());
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr(" warning attempt trace_id=4bf92f3577b34da6a3ce929d0e0e4736 call_id=c0ffee route=chat "
                                  "upstream=openai endpoint=primary model=gpt-4o-mini credential=env:KEY_A attempt=1 "
                                  "retry_count=0 status=failed error_type=overload http_status=503 "
                                  "backoff_delay_ms=0.000 duration_ms=12.345 retry_after_ms=2000.000"));
  EXPECT_THAT(lines[1], HasSubstr(" info call trace_id=4bf92f3577b34da6a3ce929d0e0e4736 call_id=c0ffee route=chat "
                                  "operation=chat streaming=true model=gpt tenant=acme outcome=complete code=OK "));
}

TEST_F(AttemptLogTest, AFailedCallTellsWhoIsToBlame) {
  CallRecord record = Refused(FailureKind::kRateLimited);
  record.error.retry_after = absl::Seconds(8);
  record.attempts = {Failed()};
  Loop(AttemptLogLevel::kFailures).CallEnded(Info(), record);
  const auto line = Line();
  EXPECT_STREQ(line["level"].GetString(), "error");
  EXPECT_STREQ(line["outcome"].GetString(), "failed");
  EXPECT_STREQ(line["code"].GetString(), "RESOURCE_EXHAUSTED");
  EXPECT_STREQ(line["error_type"].GetString(), "rate_limited");
  EXPECT_STREQ(line["reason"].GetString(), "RATE_LIMITED");
  EXPECT_EQ(line["retry_after_ms"].GetDouble(), 8000);
  EXPECT_FALSE(line.HasMember("served_by"));
}

TEST_F(AttemptLogTest, AFallbackEndedWellAndTellsItsCause) {
  CallRecord record = Refused(FailureKind::kOverload);
  record.outcome = CallOutcome::kFallback;
  record.fallback = "local-small";
  record.attempts = {Failed()};
  Loop(AttemptLogLevel::kFailures).CallEnded(Info(), record);
  const auto line = Line();
  EXPECT_STREQ(line["level"].GetString(), "warning");
  EXPECT_STREQ(line["outcome"].GetString(), "fallback");
  EXPECT_STREQ(line["code"].GetString(), "OK");
  EXPECT_STREQ(line["error_type"].GetString(), "overload");
  EXPECT_STREQ(line["fallback"].GetString(), "local-small");
}

// What each level writes.

TEST_F(AttemptLogTest, FailuresLeavesOutWhatWentWell) {
  CallObserver& loop = Loop(AttemptLogLevel::kFailures);
  loop.CallStarted(Info());
  loop.AttemptEnded(Info(), Smooth().attempts[0]);
  loop.CallEnded(Info(), Smooth());
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(AttemptLogTest, FailuresTellsTheWholeStoryOfARecoveredCall) {
  CallObserver& loop = Loop(AttemptLogLevel::kFailures);
  loop.AttemptEnded(Info(), Failed());
  loop.RetryScheduled(Info(), Failed(), absl::Milliseconds(212), true);
  loop.AttemptEnded(Info(), Second());
  loop.CallEnded(Info(), Recovered());
  EXPECT_THAT(Messages(), ElementsAre("attempt", "attempt", "call"));
}

TEST_F(AttemptLogTest, FailuresLeavesOutCallersThatCancel) {
  CallObserver& loop = Loop(AttemptLogLevel::kFailures);
  AttemptRecord attempt = Failed();
  attempt.outcome = AttemptOutcome::kCancelled;
  attempt.failure = FailureKind::kCancelled;
  loop.AttemptEnded(Info(), attempt);
  loop.CallEnded(Info(), Refused(FailureKind::kCancelled));
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(AttemptLogTest, FailuresTellsOfCallersErrorsOnlyAsInformation) {
  CallRecord record = Refused(FailureKind::kCaller);
  record.error.field = "messages[0].content";
  Loop(AttemptLogLevel::kFailures).CallEnded(Info(), record);
  const auto line = Line();
  EXPECT_STREQ(line["level"].GetString(), "info");
  EXPECT_STREQ(line["field"].GetString(), "messages[0].content");
}

void TellAll(CallObserver& loop) {
  loop.Queued(Info());
  loop.LeftQueue(Info(), QueueExit::kAdmitted, absl::Milliseconds(40));
  loop.Limited(Info(), {"per-minute", "openai", absl::Seconds(3)});
  loop.AttemptStarted(Info(), Failed());
  loop.RetryScheduled(Info(), Failed(), absl::Milliseconds(212), true);
  loop.RetryRefused(Info(), "openai", RetryRefusal::kBudgetTokens);
  loop.HedgeStarted(Info(), Failed());
  loop.HedgeWon(Info(), Second());
  loop.Restarted(Info(), Failed());
  loop.FallbackEntered(Info(), "local-small", FailureKind::kOverload);
  loop.Paused(Info());
  loop.BreakerChanged("openai", "primary", BreakerState::kClosed, BreakerState::kOpen);
  loop.EndpointEjected("openai", "primary", absl::Seconds(30));
  loop.FormLearned("openai", "gpt", "stream_options");
  loop.HealthChecked("openai", "primary", false);
  loop.HealthChanged("openai", "primary", false, "503 at /models");
  loop.HealthChanged("openai", "primary", true, "");
}

TEST_F(AttemptLogTest, RowB5AllTellsEveryEventWithItsCall) {
  TellAll(Loop(AttemptLogLevel::kAll, LogFormat::kText));
  const std::string call = "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 call_id=c0ffee route=chat";
  const std::string place = " upstream=openai endpoint=primary";
  std::vector<std::string> lines;
  for (const std::string& line : Lines()) lines.push_back(line.substr(line.find(' ') + 1));
  EXPECT_THAT(lines, ElementsAre("info queued " + call,  //
                                 "info left_queue " + call + " result=admitted queue_wait_ms=40.000",
                                 "info limited " + call + " limit=per-minute upstream=openai tenant=acme wait_ms=3000.000",
                                 "info retry " + call + place +
                                     " after_attempt=1 error_type=overload backoff_delay_ms=212.000 failover=true",
                                 "warning retry_refused " + call + " upstream=openai reason=budget_tokens",
                                 "info hedge " + call + place,
                                 "info hedge_won " + call + " upstream=openai endpoint=backup",
                                 "warning restart " + call + place + " error_type=overload",
                                 "warning fallback " + call + " fallback=local-small cause=overload",
                                 "info paused " + call,
                                 "warning breaker" + place + " from=closed to=open",
                                 "warning ejected" + place + " lasting_ms=30000.000",
                                 "warning form_learned upstream=openai model=gpt refused=stream_options",
                                 "warning unhealthy" + place + " reason=\"503 at /models\"",
                                 "warning healthy" + place));
}

TEST_F(AttemptLogTest, FailuresTellsOfEndpointsOnly) {
  TellAll(Loop(AttemptLogLevel::kFailures));
  EXPECT_THAT(Messages(), ElementsAre("breaker", "ejected", "form_learned", "unhealthy", "healthy"));
}

TEST_F(AttemptLogTest, OffWritesNothing) {
  CallObserver& loop = Loop(AttemptLogLevel::kOff);
  TellAll(loop);
  loop.AttemptEnded(Info(), Failed());
  loop.CallEnded(Info(), Refused(FailureKind::kOverload));
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(AttemptLogTest, AnAttemptThatWentOnIsToldByItsVerdict) {
  CallObserver& loop = Loop(AttemptLogLevel::kFailures, LogFormat::kText);
  AttemptRecord well = Failed();
  well.outcome = AttemptOutcome::kOk;
  loop.VerifyingStarted(Info(), well);
  loop.VerifyingEnded(Info(), well);
  EXPECT_THAT(Lines(), IsEmpty());
  loop.VerifyingEnded(Info(), Failed());
  ASSERT_THAT(Lines(), SizeIs(1));
  EXPECT_THAT(Lines()[0], HasSubstr(" warning verified trace_id="));
  EXPECT_THAT(Lines()[0], HasSubstr(" upstream=openai endpoint=primary"));
  EXPECT_THAT(Lines()[0], HasSubstr(" status=failed error_type=overload"));
}

TEST_F(AttemptLogTest, AnUnknownWaitIsLeftOut) {
  Loop(AttemptLogLevel::kAll).Limited(Info(), {"concurrency", "", absl::InfiniteDuration()});
  EXPECT_FALSE(Line().HasMember("wait_ms"));
}

// No content, no secret.

TEST_F(AttemptLogTest, WordsOfOthersAreNeverWritten) {
  CallObserver& loop = Loop(AttemptLogLevel::kAll);
  for (int kind = 0; kind <= static_cast<int>(FailureKind::kShed); ++kind) {
    AttemptRecord attempt = Failed();
    attempt.failure = static_cast<FailureKind>(kind);
    attempt.message = std::string(kContent) + kSecret;
    const bool ours = attempt.failure == FailureKind::kConnect || attempt.failure == FailureKind::kReset ||
                      attempt.failure == FailureKind::kTimeout || attempt.failure == FailureKind::kShed;
    if (ours) attempt.message = "of our own transport";
    loop.AttemptEnded(Info(), attempt);
    CallRecord record = Refused(attempt.failure);
    record.error.message = std::string(kContent) + kSecret;
    record.error.field = std::string(kContent) + kSecret;
    record.attempts = {attempt};
    loop.CallEnded(Info(), record);
  }
  for (const std::string& line : Lines()) {
    EXPECT_THAT(line, Not(HasSubstr(kContent)));
    EXPECT_THAT(line, Not(HasSubstr(kSecret)));
  }
  EXPECT_THAT(Lines(), SizeIs(32));
}

TEST_F(AttemptLogTest, OurTransportsWordsAreWritten) {
  AttemptRecord attempt = Failed();
  attempt.failure = FailureKind::kTimeout;
  attempt.message = "connect timeout after 2s";
  Loop(AttemptLogLevel::kFailures).AttemptEnded(Info(), attempt);
  EXPECT_STREQ(Line()["error"].GetString(), "connect timeout after 2s");
}

TEST_F(AttemptLogTest, ATenantCannotForgeALine) {
  CallInfo info = Info();
  info.tenant = "acme\n{\"level\":\"error\"} \x1b[31m" + std::string(100000, 'x');
  Loop(AttemptLogLevel::kAll).CallEnded(info, Smooth());
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_LT(lines[0].size(), 2000u);
  rapidjson::Document document;
  document.Parse(lines[0].c_str());
  EXPECT_THAT(document["tenant"].GetString(), StartsWith("acme\n{\"level\":\"error\"} \x1b[31mxxx"));
}

TEST(ObserverFanOutTest, EveryHookReachesEveryObserver) {
  AttemptLogOptions options;
  options.level = AttemptLogLevel::kAll;
  std::string text;
  {
    LineWriter writer({}, AppendTo(text), [](LineSort, uint64_t) { return ""; });
    AttemptLog log(options, writer, [] { return kTime; });
    CallObserver& direct = log.AddLoop();
    TellAll(direct);
    direct.AttemptEnded(Info(), Failed());
    direct.VerifyingEnded(Info(), Failed());
    direct.CallEnded(Info(), Recovered());
    writer.Flush();
    const std::string once = std::exchange(text, "");
    ObserverFanOut both({&log.AddLoop(), &log.AddLoop()});
    TellAll(both);
    both.AttemptEnded(Info(), Failed());
    both.VerifyingEnded(Info(), Failed());
    both.CallEnded(Info(), Recovered());
    writer.Flush();
    std::string twice;
    std::istringstream lines(once);
    for (std::string line; std::getline(lines, line);) twice += line + "\n" + line + "\n";
    EXPECT_EQ(text, twice);
  }
}

}  // namespace
}  // namespace sluice

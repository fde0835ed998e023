// What callers see of a call's end, and that it always fits.
#include "server/service/status_mapping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"

namespace sluice {
namespace {

AttemptRecord FailedAttempt(int number, size_t message_bytes) {
  AttemptRecord attempt;
  attempt.upstream = "upstream-" + std::to_string(number);
  attempt.endpoint = "endpoint.example.com:443";
  attempt.outcome = AttemptOutcome::kFailed;
  attempt.failure = FailureKind::kOverload;
  attempt.http_status = 503;
  attempt.message = std::string(message_bytes, 'x');
  attempt.backoff = absl::Milliseconds(number * 10);
  attempt.duration = absl::Milliseconds(1234);
  return attempt;
}

CallRecord FailedRecord(int attempts, size_t message_bytes) {
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  for (int i = 0; i < attempts; ++i) record.attempts.push_back(FailedAttempt(i, message_bytes));
  record.error.kind = FailureKind::kOverload;
  record.error.grpc_code = 14;
  record.error.reason = "ATTEMPTS_EXHAUSTED";
  record.error.message = std::string(message_bytes, 'm');
  record.error.retry_after = absl::Milliseconds(8250);
  return record;
}

template <typename T>
std::optional<T> Detail(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  for (const auto& any : details.details()) {
    T message;
    if (any.UnpackTo(&message)) return message;
  }
  return std::nullopt;
}

// With a call id and a pushback beside it, as every call has them at most.
void ExpectBounded(const grpc::Status& status) {
  const size_t others = HeaderBytes(kCallIdKey, 32) + HeaderBytes(kPushbackKey, 20);
  EXPECT_LE(TrailerBytes(status, others), kMaxTrailerBytes);
  EXPECT_LE(PercentEncodedBytes(status.error_message()), kMaxStatusMessageBytes);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.message(), status.error_message());
}

TEST(StatusMappingTest, TenAttemptsWithLongMessagesFit) {
  grpc::Status status = StatusOf(FailedRecord(10, 5000), std::string(32, 'a'), std::string(63, 'r'));
  ExpectBounded(status);
  auto list = Detail<v1::AttemptList>(status);
  ASSERT_TRUE(list);
  EXPECT_GE(list->attempts_size(), 6);
  EXPECT_EQ(list->attempts_size() + list->omitted(), 10);
  EXPECT_EQ(list->attempts(0).upstream(), "upstream-0");
  EXPECT_EQ(list->attempts(list->attempts_size() - 1).upstream(), "upstream-9");
}

TEST(StatusMappingTest, NothingHostileMakesItTooLarge) {
  CallRecord record = FailedRecord(10, 100000);
  for (auto& attempt : record.attempts) attempt.upstream = attempt.endpoint = std::string(100000, 'u');
  record.error.reason = std::string(100000, 'R');
  record.error.field = std::string(100000, 'f');
  grpc::Status status = StatusOf(record, std::string(100000, 'c'), std::string(100000, 'r'));
  ExpectBounded(status);
}

std::string AnyText(std::mt19937& random, size_t most) {
  const std::string pieces[] = {"a", " ", "%", "\n", "é", "語", "😀", "\xff", "\xe8"};
  std::string text;
  for (size_t count = random() % most; count > 0; --count) text += pieces[random() % std::size(pieces)];
  return text;
}

CallRecord AnyRecord(std::mt19937& random) {
  CallRecord record = FailedRecord(static_cast<int>(random() % 14), random() % 400);
  for (AttemptRecord& attempt : record.attempts) {
    attempt.message = AnyText(random, 300);
    attempt.endpoint = AnyText(random, 90);
    if (random() % 2) attempt.retry_after = absl::Nanoseconds(random());
    if (random() % 2) attempt.time_to_first_token = absl::Nanoseconds(random());
  }
  record.error.message = AnyText(random, 1200);
  if (random() % 3 == 0) record.error.field = AnyText(random, 300);
  if (random() % 3 == 0) record.error.retry_after = std::nullopt;
  if (random() % 3 == 0) record.error.facts = {{"size", AnyText(random, 200)}, {"option", AnyText(random, 200)}};
  return record;
}

TEST(StatusMappingTest, AnyErrorFitsIsWholeUtf8AndKeepsTheFirstAndTheLastAttempt) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE(round);
    const CallRecord record = AnyRecord(random);
    const grpc::Status status = StatusOf(record, std::string(32, 'c'), AnyText(random, 100));
    ExpectBounded(status);
    ASSERT_EQ(Detail<google::rpc::ErrorInfo>(status)->reason(), "ATTEMPTS_EXHAUSTED");
    ASSERT_EQ(Detail<google::rpc::BadRequest>(status).has_value(), !record.error.field.empty());
    ASSERT_EQ(Detail<google::rpc::RetryInfo>(status).has_value(), record.error.retry_after.has_value());
    if (record.attempts.empty()) continue;
    const auto list = Detail<v1::AttemptList>(status);
    ASSERT_TRUE(list);
    ASSERT_GE(list->attempts_size(), std::min<int>(2, static_cast<int>(record.attempts.size())));
    ASSERT_EQ(static_cast<size_t>(list->attempts_size() + list->omitted()), record.attempts.size());
    EXPECT_EQ(list->attempts(0).upstream(), record.attempts.front().upstream);
    EXPECT_EQ(list->attempts().rbegin()->upstream(), record.attempts.back().upstream);
  }
}

TEST(StatusMappingTest, FactsStandInTheErrorInfo) {
  CallRecord record = FailedRecord(0, 5);
  record.error.facts = {{"size", "70000"}, {"bound", "65536"}, {"option", "--max-metadata-bytes"}};
  const auto info = Detail<google::rpc::ErrorInfo>(StatusOf(record, "id", "chat"));
  EXPECT_EQ(info->metadata().at("size"), "70000");
  EXPECT_EQ(info->metadata().at("bound"), "65536");
  EXPECT_EQ(info->metadata().at("option"), "--max-metadata-bytes");
  EXPECT_EQ(info->metadata().at("call_id"), "id");
}

TEST(StatusMappingTest, WhatTheCallersDeadlineEndedAfterContentIsNoCut) {
  CallRecord record = FailedRecord(1, 20);
  record.outcome = CallOutcome::kTruncated;
  record.error.kind = FailureKind::kTimeout;
  record.error.grpc_code = 4;
  record.error.reason = "DEADLINE_EXCEEDED";
  EXPECT_EQ(StatusOf(record, "", "").error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(EndMessage(record).outcome(), v1::OUTCOME_TRUNCATED);
  EXPECT_EQ(EndMessage(record).error().reason(), "DEADLINE_EXCEEDED");
}

TEST(StatusMappingTest, ThreeShortAttemptsAreAllThere) {
  grpc::Status status = StatusOf(FailedRecord(3, 60), "id", "chat");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  auto list = Detail<v1::AttemptList>(status);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->attempts_size(), 3);
  EXPECT_EQ(list->omitted(), 0);
  EXPECT_EQ(list->attempts(1).http_status(), 503);
  EXPECT_EQ(list->attempts(1).error_class(), "overload");
  EXPECT_EQ(list->attempts(1).outcome(), "failed");
  EXPECT_EQ(list->attempts(1).backoff().nanos(), 10'000'000);
  auto info = Detail<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->reason(), "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(info->domain(), "sluice");
  EXPECT_EQ(info->metadata().at("route"), "chat");
  EXPECT_EQ(info->metadata().at("call_id"), "id");
  auto retry = Detail<google::rpc::RetryInfo>(status);
  ASSERT_TRUE(retry);
  EXPECT_EQ(retry->retry_delay().seconds(), 8);
  EXPECT_EQ(retry->retry_delay().nanos(), 250'000'000);
}

TEST(StatusMappingTest, AFieldToBlameIsABadRequest) {
  CallRecord record = FailedRecord(0, 20);
  record.error.field = "messages[0].role";
  auto bad = Detail<google::rpc::BadRequest>(StatusOf(record, "", ""));
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->field_violations(0).field(), "messages[0].role");
}

TEST(StatusMappingTest, CutTextStaysWholeUtf8) {
  CallRecord record = FailedRecord(1, 10);
  record.error.message.clear();
  for (int i = 0; i < 1000; ++i) record.error.message += "é\n";
  grpc::Status status = StatusOf(record, "", "");
  ExpectBounded(status);
  EXPECT_EQ(status.error_message().find('\n'), std::string::npos);
  // A protobuf string that is not UTF-8 would not parse.
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
}

TEST(StatusMappingTest, ARequestAtFaultIsNotToBeSentAgain) {
  CallRecord record;
  record.error.kind = FailureKind::kCaller;
  EXPECT_EQ(RetryPushback(record), "-1");
}

TEST(StatusMappingTest, APushbackOfATimeIsRoundedUpAndNeverNegative) {
  CallRecord record;
  EXPECT_FALSE(RetryPushback(record));
  record.error.retry_after = absl::Microseconds(1500);
  EXPECT_EQ(RetryPushback(record), "2");
  record.error.retry_after = absl::Seconds(-3);
  EXPECT_EQ(RetryPushback(record), "0");
}

TEST(StatusMappingTest, ACompleteCallIsOkAndTellsAll) {
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  record.attempts = {FailedAttempt(0, 5), FailedAttempt(1, 5)};
  record.attempts[1].outcome = AttemptOutcome::kOk;
  record.attempts[1].failure = FailureKind::kNone;
  record.attempts[1].time_to_first_token = absl::Milliseconds(312);
  record.served_by = "upstream-1/e";
  record.delivered.output_tokens = 7;
  record.total = absl::Milliseconds(1500);
  EXPECT_TRUE(StatusOf(record, "", "").ok());
  v1::End end = EndMessage(record);
  EXPECT_EQ(end.outcome(), v1::OUTCOME_COMPLETE);
  ASSERT_EQ(end.attempts_size(), 2);
  EXPECT_EQ(end.attempts(1).outcome(), "ok");
  EXPECT_EQ(end.attempts(1).time_to_first_token().nanos(), 312'000'000);
  EXPECT_EQ(end.served_by(), "upstream-1/e");
  EXPECT_EQ(end.delivered().output_tokens(), 7);
  EXPECT_FALSE(end.delivered().has_input_tokens());  // not told is not zero
  EXPECT_FALSE(end.has_error());
  EXPECT_EQ(end.total().seconds(), 1);
}

TEST(StatusMappingTest, RowE3AFallbackIsOkAndItsEndTellsTheCause) {
  CallRecord record = FailedRecord(2, 20);
  record.outcome = CallOutcome::kFallback;
  record.fallback = "spare";
  record.attempts[1].hedge = true;
  record.restarts = 2;
  record.queued = absl::Milliseconds(250);
  EXPECT_TRUE(StatusOf(record, "", "").ok());
  // A client that waits before it reads an answer would be told wrong.
  EXPECT_FALSE(RetryPushback(record));
  v1::End end = EndMessage(record);
  EXPECT_EQ(end.outcome(), v1::OUTCOME_FALLBACK);
  EXPECT_EQ(end.fallback(), "spare");
  EXPECT_EQ(end.error().reason(), "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(end.error().error_class(), "overload");
  EXPECT_EQ(end.restarts(), 2);
  EXPECT_EQ(end.queued().nanos(), 250'000'000);
  EXPECT_FALSE(end.attempts(0).hedge());
  EXPECT_TRUE(end.attempts(1).hedge());
}

struct OwnLimit {
  const char* reason;
  std::optional<Duration> retry_after;
};

class StatusOfOwnLimits : public testing::TestWithParam<OwnLimit> {};

TEST_P(StatusOfOwnLimits, SaysWhichAndWhenToComeBack) {
  CallRecord record;
  record.outcome = CallOutcome::kFailed;
  record.error = {FailureKind::kShed, 8, GetParam().reason, "refused", "", GetParam().retry_after};
  grpc::Status status = StatusOf(record, "id", "chat");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Detail<google::rpc::ErrorInfo>(status)->reason(), GetParam().reason);
  EXPECT_EQ(Detail<google::rpc::ErrorInfo>(status)->metadata().at("error_class"), "shed");
  EXPECT_EQ(Detail<google::rpc::RetryInfo>(status).has_value(), GetParam().retry_after.has_value());
  EXPECT_EQ(RetryPushback(record).has_value(), GetParam().retry_after.has_value());
}

INSTANTIATE_TEST_SUITE_P(Reasons, StatusOfOwnLimits,
                         testing::Values(OwnLimit{"RATE_LIMITED_BY_GATEWAY", absl::Seconds(2)},
                                         OwnLimit{"QUEUE_FULL", absl::Seconds(1)},
                                         OwnLimit{"QUEUE_TIMEOUT", std::nullopt},
                                         OwnLimit{"OVERLOADED", absl::Seconds(1)}),
                         [](const auto& info) { return std::string(info.param.reason); });

TEST(StatusMappingTest, TheEndRecordIsBoundedAndKeepsTheLastAttempt) {
  v1::End end = EndMessage(FailedRecord(100, 600));
  ASSERT_EQ(end.attempts_size(), static_cast<int>(kMaxEndAttempts));
  EXPECT_EQ(end.attempts(kMaxEndAttempts - 1).upstream(), "upstream-99");
  EXPECT_LE(end.attempts(0).error_message().size(), 512u);
  EXPECT_EQ(end.error().error_class(), "overload");
}

}  // namespace
}  // namespace sluice

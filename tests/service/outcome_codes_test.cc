// The numbers beside the names: every one of ours has its own, and says the same.
#include "server/service/outcome_codes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/codec/ascii_text.h"
#include "server/service/status_mapping.h"

namespace sluice {
namespace {

constexpr int kKinds = static_cast<int>(FailureKind::kShed) + 1;
constexpr int kOutcomes = static_cast<int>(AttemptOutcome::kAbandoned) + 1;

std::string Without(const std::string& prefix, const std::string& name) {
  EXPECT_EQ(name.find(prefix), 0u) << name;
  return AsciiLower(name.substr(prefix.size()));
}

TEST(OutcomeCodesTest, EveryClassOfErrorHasItsNumberUnderItsName) {
  std::set<int> numbers;
  for (int i = 1; i < kKinds; ++i) {
    const FailureKind kind = static_cast<FailureKind>(i);
    const v1::ErrorClass code = ErrorCode(kind);
    EXPECT_EQ(Without("ERROR_CLASS_", v1::ErrorClass_Name(code)), TraitsOf(kind).name);
    EXPECT_NE(code, v1::ERROR_CLASS_UNSPECIFIED);
    numbers.insert(code);
  }
  EXPECT_EQ(ErrorCode(FailureKind::kNone), v1::ERROR_CLASS_UNSPECIFIED);
  EXPECT_EQ(numbers.size(), static_cast<size_t>(kKinds - 1));
  EXPECT_EQ(static_cast<int>(v1::ErrorClass_ARRAYSIZE), kKinds) << "a class that no failure has, or a failure without one";
}

TEST(OutcomeCodesTest, EveryOutcomeOfAnAttemptHasItsNumberUnderItsName) {
  std::set<int> numbers;
  for (int i = 0; i < kOutcomes; ++i) {
    const AttemptOutcome outcome = static_cast<AttemptOutcome>(i);
    EXPECT_EQ(Without("ATTEMPT_OUTCOME_", v1::AttemptOutcome_Name(OutcomeCode(outcome))), OutcomeName(outcome));
    numbers.insert(OutcomeCode(outcome));
  }
  EXPECT_EQ(numbers.size(), static_cast<size_t>(kOutcomes));
  EXPECT_EQ(static_cast<int>(v1::AttemptOutcome_ARRAYSIZE), kOutcomes + 1);
}

TEST(OutcomeCodesTest, TheyStandBesideTheNamesInRecords) {
  AttemptRecord record;
  record.outcome = AttemptOutcome::kFailed;
  record.failure = FailureKind::kRateLimited;
  const v1::Attempt attempt = ToProto(record);
  EXPECT_EQ(attempt.outcome_code(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(attempt.error_code(), v1::ERROR_CLASS_RATE_LIMITED);
  EXPECT_EQ(attempt.error_class(), "rate_limited");
  CallRecord call;
  call.error.kind = FailureKind::kTimeout;
  call.error.grpc_code = 4;
  EXPECT_EQ(EndMessage(call).error().error_code(), v1::ERROR_CLASS_TIMEOUT);
  EXPECT_EQ(ToProto(AttemptRecord()).error_code(), v1::ERROR_CLASS_UNSPECIFIED);
}

}  // namespace
}  // namespace sluice

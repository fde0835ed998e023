#include "server/resilience/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice {
namespace {

using F = FailureKind;
using R = RetryScope;

// RESILIENCE: sign → kind → fault, retry, breaker, caller's code. Written down
// once more, so that a slip in the table is seen.
struct Row {
  F kind;
  const char* name;
  Fault fault;
  R retry;
  bool breaker;
  bool cools_down;
  int grpc_code;
};

class FailureTable : public testing::TestWithParam<Row> {};

TEST_P(FailureTable, SaysWhatTheContractSays) {
  const Row& row = GetParam();
  const FailureTraits& traits = TraitsOf(row.kind);
  EXPECT_EQ(traits.kind, row.kind);
  EXPECT_EQ(traits.name, row.name);
  EXPECT_EQ(traits.fault, row.fault);
  EXPECT_EQ(traits.retry, row.retry);
  EXPECT_EQ(traits.counts_for_breaker, row.breaker);
  EXPECT_EQ(traits.cools_down, row.cools_down);
  EXPECT_EQ(traits.grpc_code, row.grpc_code);
  EXPECT_EQ(traits.reason.empty(), row.kind == F::kNone);
}

INSTANTIATE_TEST_SUITE_P(
    RowC4RowD6, FailureTable,
    testing::Values(Row{F::kNone, "", Fault::kNone, R::kNever, false, false, 0},
                    Row{F::kConnect, "connect", Fault::kUpstream, R::kAnywhere, true, false, 14},
                    Row{F::kReset, "reset", Fault::kUpstream, R::kAnywhere, true, false, 14},
                    Row{F::kTimeout, "timeout", Fault::kUpstream, R::kAnywhere, true, false, 14},
                    Row{F::kOverload, "overload", Fault::kUpstream, R::kAnywhere, true, true, 14},
                    Row{F::kServerError, "server_error", Fault::kUpstream, R::kAnywhere, true, false, 14},
                    Row{F::kRateLimited, "rate_limited", Fault::kAccount, R::kAfterCooldown, false, true, 8},
                    Row{F::kQuota, "quota", Fault::kAccount, R::kOtherUpstream, false, true, 8},
                    Row{F::kAuth, "auth", Fault::kConfiguration, R::kOtherUpstream, false, false, 14},
                    Row{F::kNotFound, "not_found", Fault::kConfiguration, R::kOtherPlace, false, false, 5},
                    Row{F::kCaller, "caller", Fault::kCaller, R::kNever, false, false, 3},
                    Row{F::kRefused, "refused", Fault::kCaller, R::kNever, false, false, 9},
                    Row{F::kProtocol, "protocol", Fault::kUpstream, R::kAnywhere, true, false, 14},
                    Row{F::kTruncated, "truncated", Fault::kUpstream, R::kNever, true, false, 10},
                    Row{F::kCancelled, "cancelled", Fault::kCaller, R::kNever, false, false, 1},
                    Row{F::kShed, "shed", Fault::kGateway, R::kAfterCooldown, false, false, 8}),
    [](const auto& info) { return std::string(info.param.kind == F::kNone ? "none" : info.param.name); });

TEST(FailureTableTest, NamesAreUnique) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(F::kShed); ++i) names.emplace(TraitsOf(static_cast<F>(i)).name);
  EXPECT_EQ(names.size(), 16u);
}

TEST(FailureTableTest, NoFaultOfOursIsShownAsTheCallersCredential) {
  for (int i = 0; i <= static_cast<int>(F::kShed); ++i) {
    EXPECT_THAT(TraitsOf(static_cast<F>(i)).grpc_code, testing::Not(testing::AnyOf(7, 16)));
  }
}

struct StatusRow {
  int status;
  F kind;
};

class HttpStatus : public testing::TestWithParam<StatusRow> {};

TEST_P(HttpStatus, HasItsKind) { EXPECT_EQ(KindOfHttpStatus(GetParam().status), GetParam().kind); }

INSTANTIATE_TEST_SUITE_P(RowD6, HttpStatus,
                         testing::Values(StatusRow{200, F::kNone}, StatusRow{100, F::kProtocol},
                                         StatusRow{302, F::kProtocol}, StatusRow{400, F::kCaller},
                                         StatusRow{401, F::kAuth}, StatusRow{402, F::kQuota},
                                         StatusRow{403, F::kAuth}, StatusRow{404, F::kNotFound},
                                         StatusRow{408, F::kServerError}, StatusRow{409, F::kCaller},
                                         StatusRow{413, F::kCaller}, StatusRow{422, F::kCaller},
                                         StatusRow{429, F::kRateLimited}, StatusRow{500, F::kServerError},
                                         StatusRow{502, F::kServerError}, StatusRow{503, F::kOverload},
                                         StatusRow{504, F::kServerError}, StatusRow{529, F::kOverload},
                                         StatusRow{599, F::kServerError}, StatusRow{0, F::kProtocol},
                                         StatusRow{700, F::kProtocol}),
                         [](const auto& info) { return std::to_string(info.param.status); });

}  // namespace
}  // namespace sluice

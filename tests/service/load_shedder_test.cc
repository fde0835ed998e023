// When the gateway refuses calls to save those that run.
#include "server/service/load_shedder.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

LoadLimits Limits() {
  LoadLimits limits;
  limits.max_calls = 2;
  limits.max_request_bytes = 1000;
  limits.max_lag = absl::Seconds(1);
  limits.retry_after = absl::Milliseconds(700);
  return limits;
}

void ExpectShed(const std::optional<CallError>& error, const std::string& flag) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->grpc_code, 8);
  EXPECT_EQ(error->reason, "OVERLOADED");
  EXPECT_EQ(error->retry_after, absl::Milliseconds(700));
  EXPECT_NE(error->message.find(flag), std::string::npos) << error->message;
}

TEST(LoadShedderTest, RefusesMoreCallsThanItsMaximum) {
  LoadShedder load(Limits());
  EXPECT_FALSE(load.TryTake(1, absl::ZeroDuration()));
  EXPECT_FALSE(load.TryTake(1, absl::ZeroDuration()));
  ExpectShed(load.TryTake(1, absl::ZeroDuration()), "--max-concurrent-calls");
  load.GiveBack(1);
  EXPECT_FALSE(load.TryTake(1, absl::ZeroDuration()));
  EXPECT_EQ(load.figures().concurrency, 1u);
  EXPECT_EQ(load.calls(), 2);
}

TEST(LoadShedderTest, RefusesMoreBytesOfRequestsThanItsMaximum) {
  LoadShedder load(Limits());
  EXPECT_FALSE(load.TryTake(900, absl::ZeroDuration()));
  ExpectShed(load.TryTake(101, absl::ZeroDuration()), "--max-request-memory");
  EXPECT_FALSE(load.TryTake(100, absl::ZeroDuration()));
  EXPECT_EQ(load.figures().memory, 1u);
  EXPECT_EQ(load.request_bytes(), 1000);
  load.GiveBack(900);
  load.GiveBack(100);
  EXPECT_EQ(load.request_bytes(), 0);
  EXPECT_EQ(load.calls(), 0);
}

TEST(LoadShedderTest, RefusesWhileItsLoopIsLate) {
  LoadShedder load(Limits());
  EXPECT_FALSE(load.TryTake(1, absl::Seconds(1)));
  ExpectShed(load.TryTake(1, absl::Milliseconds(1001)), "--shed-at-lag");
  EXPECT_EQ(load.figures().lag, 1u);
  EXPECT_EQ(load.calls(), 1);
}

TEST(LoadShedderTest, ZeroLagRefusesNothing) {
  LoadLimits limits = Limits();
  limits.max_lag = absl::ZeroDuration();
  LoadShedder load(limits);
  EXPECT_FALSE(load.TryTake(1, absl::Hours(1)));
}

}  // namespace
}  // namespace sluice

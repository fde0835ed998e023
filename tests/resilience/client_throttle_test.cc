#include "server/resilience/client_throttle.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/resilience/random.h"
#include "tests/resilience/trace_seed.h"

namespace sluice {
namespace {

using absl::Seconds;

class ClientThrottleTest : public testing::Test {
 protected:
  void Requests(int count, int accepted) {
    for (int i = 0; i < count; ++i) throttle_.OnRequest(now_);
    for (int i = 0; i < accepted; ++i) throttle_.OnAccept(now_);
  }
  double P() const { return throttle_.RejectProbability(now_); }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  ClientThrottle throttle_{ClientThrottleConfig{}};
};

TEST_F(ClientThrottleTest, RejectsNothingBeforeTheFirstRequest) { EXPECT_EQ(P(), 0); }

TEST_F(ClientThrottleTest, RejectsNothingWhileHalfIsAccepted) {
  Requests(100, 50);
  EXPECT_EQ(P(), 0);
  Requests(100, 100);
  EXPECT_EQ(P(), 0);
}

// max(0, (requests − K · accepts) / (requests + 1)).
TEST_F(ClientThrottleTest, FollowsTheFormulaOfTheSreBook) {
  Requests(1, 0);
  EXPECT_DOUBLE_EQ(P(), 0.5);
  Requests(98, 25);
  EXPECT_DOUBLE_EQ(P(), (99 - 2 * 25) / 100.0);
  Requests(0, 25);
  EXPECT_DOUBLE_EQ(P(), 0);
}

TEST_F(ClientThrottleTest, NeverRejectsEverything) {
  Requests(100'000, 0);
  EXPECT_LT(P(), 1);  // something must find out that the upstream is well again
  EXPECT_GT(P(), 0.9999);
}

TEST_F(ClientThrottleTest, ALowerKRejectsEarlierAndKeepsTheCounts) {
  Requests(99, 60);
  EXPECT_EQ(P(), 0);
  throttle_.Configure({.k = 1.1});
  EXPECT_DOUBLE_EQ(P(), (99 - 1.1 * 60) / 100);
}

TEST_F(ClientThrottleTest, ForgetsWithItsWindow) {
  Requests(100, 0);
  now_ += Seconds(118) - absl::Nanoseconds(1);
  EXPECT_GT(P(), 0.9);
  now_ += Seconds(2) + absl::Nanoseconds(1);
  EXPECT_EQ(P(), 0);
}

TEST_F(ClientThrottleTest, ANewWindowStartsAnew) {
  Requests(100, 0);
  throttle_.Configure({.window = Seconds(30)});
  EXPECT_EQ(P(), 0);
  Requests(1, 0);
  now_ += Seconds(30);
  EXPECT_EQ(P(), 0);
}

// What the method is for: an upstream that takes 100 requests of 400 sees about
// K × 100 of them, not 400.
TEST_F(ClientThrottleTest, LetsAboutKTimesTheAcceptedThrough) {
  Random random(5);
  int sent = 0;
  for (int second = 0; second < 600; ++second) {
    int taken = 0;
    for (int i = 0; i < 400; ++i) {
      const double p = P();
      throttle_.OnRequest(now_);
      if (random.Uniform() < p) continue;
      if (second >= 300) ++sent;
      if (taken++ < 100) throttle_.OnAccept(now_);
    }
    now_ += Seconds(1);
  }
  EXPECT_NEAR(sent / 300.0, 200, 10);
}

TEST(ClientThrottleTraceTest, EqualsAModelThatKeepsEveryCall) {
  ForEachTrace(200, [](uint64_t seed) {
    Random random(seed);
    const Duration bucket = absl::Milliseconds(1 + random.Below(4000));
    const ClientThrottleConfig config{.k = 1 + 3 * random.Uniform(), .window = bucket * ClientThrottle::kBuckets};
    const auto bucket_of = [&](TimePoint at) { return absl::Floor(at - absl::UnixEpoch(), bucket); };
    const double accepting = random.Uniform();
    ClientThrottle throttle(config);
    std::vector<TimePoint> requests, accepts;
    TimePoint now = absl::FromUnixSeconds(10'000);
    for (int step = 0; step < 500 && !testing::Test::HasFailure(); ++step) {
      if (random.Below(3) != 0) now += config.window * random.Uniform() * (random.Below(40) == 0 ? 1.5 : 0.02);
      if (random.Uniform() < accepting) {
        throttle.OnAccept(now);
        accepts.push_back(now);
      } else {
        throttle.OnRequest(now);
        requests.push_back(now);
      }
      const auto inside = [&](const std::vector<TimePoint>& all) {
        uint64_t count = 0;
        for (TimePoint at : all) count += bucket_of(now) - bucket_of(at) < config.window;
        return count;
      };
      const double r = inside(requests), a = inside(accepts);
      ASSERT_EQ(throttle.InWindow(now), (ClientThrottle::Counts{inside(requests), inside(accepts)}));
      ASSERT_DOUBLE_EQ(throttle.RejectProbability(now), r > config.k * a ? (r - config.k * a) / (r + 1) : 0);
    }
  });
}

}  // namespace
}  // namespace sluice

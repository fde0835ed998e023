// How much a loop has to do, and which takes the next call.
#include "server/service/loop_load.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

const TimePoint kStart = absl::UnixEpoch() + absl::Hours(1);

// Turns of `awake`, one each `period`, for a second.
void RunTurns(LoopLoad& load, Duration awake, Duration period, int64_t open) {
  for (TimePoint now = kStart; now < kStart + absl::Seconds(1); now += period) {
    load.TurnEnded(now, now + awake, open);
  }
}

TEST(LoopLoadTest, IsTheShareOfTimeAwake) {
  LoopLoad load;
  EXPECT_EQ(load.Load(), 0);
  RunTurns(load, absl::Microseconds(30), absl::Microseconds(100), 1);
  EXPECT_NEAR(load.Load(), 0.3, 0.01);
  LoopLoad busy;
  RunTurns(busy, absl::Microseconds(90), absl::Microseconds(100), 1);
  EXPECT_NEAR(busy.Load(), 0.9, 0.01);
}

TEST(LoopLoadTest, FollowsTheLastTwentyMilliseconds) {
  LoopLoad load;
  load.TurnEnded(kStart, kStart, 1);
  load.TurnEnded(kStart + absl::Milliseconds(10), kStart + absl::Milliseconds(30), 1);
  EXPECT_NEAR(load.Load(), 20.0 / 30, 0.001);
  load.TurnEnded(kStart + absl::Milliseconds(60), kStart + absl::Milliseconds(60), 1);
  EXPECT_EQ(load.Load(), 0.001);
}

TEST(LoopLoadTest, AThousandSilentCallsFillALoop) {
  LoopLoad load;
  RunTurns(load, absl::Microseconds(1), absl::Microseconds(1000), 1000);
  EXPECT_NEAR(load.Load(), 1, 0.001);
}

TEST(LoopLoadTest, EightCallsOnTheirWayFillALoopUntilTheyAreThere) {
  LoopLoad load;
  for (int i = 0; i < 8; ++i) load.CallComing();
  EXPECT_EQ(load.Load(), 1);
  for (int i = 0; i < 8; ++i) load.CallArrived();
  EXPECT_EQ(load.Load(), 0);
}

TEST(LoopLoadTest, ALoopAtRestHasNothingToDo) {
  LoopLoad load;
  RunTurns(load, absl::Microseconds(90), absl::Microseconds(100), 700);
  load.Rested();
  EXPECT_EQ(load.Load(), 0);
}

struct Choice {
  std::vector<double> loads;
  size_t chosen;
};

class ChooseLoopTest : public testing::TestWithParam<Choice> {};

TEST_P(ChooseLoopTest, TakesTheLeastLoadedOfAsFewAsHaveRoomForAll) {
  EXPECT_EQ(ChooseLoop(GetParam().loads), GetParam().chosen);
}

INSTANTIATE_TEST_SUITE_P(Loads, ChooseLoopTest,
                         testing::Values(Choice{{0}, 0}, Choice{{5}, 0}, Choice{{0, 0}, 0}, Choice{{0.79, 0}, 0},
                                         // 0.8 is full; what it had before stays there.
                                         Choice{{0.8, 0}, 1}, Choice{{0.5, 0.4}, 1}, Choice{{0.4, 0.5}, 0},
                                         // Less than one loop's room: the second empties.
                                         Choice{{0.4, 0.3}, 0}, Choice{{0.3, 0.4, 0}, 0},
                                         Choice{{0.9, 0.6, 0.2, 0}, 2}, Choice{{0.9, 0.3, 0, 0}, 1},
                                         Choice{{1, 0.85, 0.9}, 1}, Choice{{0.9, 0.9}, 0}));

}  // namespace
}  // namespace sluice

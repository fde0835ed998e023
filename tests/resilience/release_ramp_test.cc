#include "server/resilience/release_ramp.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

using absl::Milliseconds;

const TimePoint kStart = absl::FromUnixSeconds(1'000'000);

class ReleaseRampTest : public testing::Test {
 protected:
  // How many may go at this moment; they go.
  std::vector<ReleaseRamp::Release> LetGo(TimePoint now) {
    std::vector<ReleaseRamp::Release> gone;
    while (gone.size() < 1000 && ramp_.OpensAt(now) <= now) gone.push_back(ramp_.Went(now));
    return gone;
  }

  ReleaseRamp ramp_;
};

TEST_F(ReleaseRampTest, WithoutAHoldEverybodyGoes) { EXPECT_EQ(LetGo(kStart).size(), 1000u); }

TEST_F(ReleaseRampTest, EachSuccessLetsTwiceAsManyGo) {
  ramp_.Hold();
  std::vector<size_t> waves;
  std::vector<ReleaseRamp::Release> wave = LetGo(kStart);
  for (int i = 0; i < 6; ++i) {
    waves.push_back(wave.size());
    for (const auto release : wave) ramp_.Succeeded(release);
    wave = LetGo(kStart + Milliseconds(i));
  }
  EXPECT_EQ(waves, (std::vector<size_t>{1, 2, 4, 8, 16, 32}));
}

TEST_F(ReleaseRampTest, NobodyFollowsBeforeTheFirstIsThrough) {
  ramp_.Hold();
  EXPECT_EQ(LetGo(kStart).size(), 1u);
  EXPECT_TRUE(ramp_.awaits());
  EXPECT_TRUE(LetGo(kStart + ReleaseRamp::kPatience - Milliseconds(1)).empty());
}

// What is slow is not refused: long answers do not hold up those that wait.
TEST_F(ReleaseRampTest, SilenceCountsAsSuccessInTheEndAndOnce) {
  ramp_.Hold();
  TimePoint now = kStart;
  std::vector<size_t> waves;
  std::vector<ReleaseRamp::Release> all;
  for (int i = 0; i < 5; ++i, now += ReleaseRamp::kPatience) {
    const auto wave = LetGo(now);
    waves.push_back(wave.size());
    all.insert(all.end(), wave.begin(), wave.end());
  }
  EXPECT_EQ(waves, (std::vector<size_t>{1, 2, 4, 8, 16}));
  // Of 31 the last 16 have not let anybody go yet.
  for (const auto release : all) ramp_.Succeeded(release);
  EXPECT_EQ(LetGo(now).size(), 32u);
  EXPECT_TRUE(ramp_.awaits());
}

TEST_F(ReleaseRampTest, AFailureStopsTheRelease) {
  ramp_.Hold();
  for (int i = 0; i < 3; ++i) {
    for (const auto release : LetGo(kStart)) ramp_.Succeeded(release);
  }
  const auto wave = LetGo(kStart);
  ASSERT_EQ(wave.size(), 8u);
  ramp_.Succeeded(wave[0]);
  ramp_.Failed(wave[1], kStart);
  EXPECT_TRUE(LetGo(kStart).empty());
  EXPECT_EQ(ramp_.OpensAt(kStart), kStart + ReleaseRamp::kPause);
  // What becomes of the others of that wave is old news.
  ramp_.Succeeded(wave[2]);
  ramp_.Lost(wave[3]);
  ramp_.Failed(wave[4], kStart + Milliseconds(100));
  EXPECT_EQ(ramp_.OpensAt(kStart), kStart + ReleaseRamp::kPause);
  EXPECT_EQ(LetGo(kStart + ReleaseRamp::kPause).size(), 1u);
}

TEST_F(ReleaseRampTest, ItIsStoppedUntilASuccessOrTheNextTime) {
  ramp_.Hold();
  EXPECT_FALSE(ramp_.stopped());
  ramp_.Failed(ramp_.Went(kStart), kStart);
  EXPECT_TRUE(ramp_.stopped());
  const auto next = ramp_.Went(kStart + ReleaseRamp::kPause);
  EXPECT_TRUE(ramp_.stopped());
  ramp_.Succeeded(next);
  EXPECT_FALSE(ramp_.stopped());
  ramp_.Failed(ramp_.Went(kStart + ReleaseRamp::kPause), kStart);
  ramp_.Hold();
  EXPECT_FALSE(ramp_.stopped());
}

TEST_F(ReleaseRampTest, AKnownTimeTakesThePlaceOfThePause) {
  ramp_.Hold();
  ramp_.Failed(ramp_.Went(kStart), kStart);
  ramp_.Hold();
  EXPECT_EQ(LetGo(kStart + Milliseconds(1)).size(), 1u);
}

TEST_F(ReleaseRampTest, OneThatIsLostGivesItsPlaceToAnother) {
  ramp_.Hold();
  for (int i = 0; i < 5; ++i) {
    const auto gone = LetGo(kStart);
    ASSERT_EQ(gone.size(), 1u) << i;
    ramp_.Lost(gone[0]);
    EXPECT_FALSE(ramp_.awaits());
  }
}

TEST_F(ReleaseRampTest, AHoldDuringAReleaseBeginsItAnew) {
  ramp_.Hold();
  for (const auto release : LetGo(kStart)) ramp_.Succeeded(release);
  const auto wave = LetGo(kStart);
  ASSERT_EQ(wave.size(), 2u);
  ramp_.Hold();
  for (const auto release : wave) ramp_.Succeeded(release);
  EXPECT_EQ(LetGo(kStart).size(), 1u);
}

// One whose wait is over goes whatever the release says; it is one more of whom
// news is awaited.
TEST_F(ReleaseRampTest, OneThatGoesOutOfTurnIsCounted) {
  ramp_.Hold();
  const auto first = ramp_.Went(kStart);
  const auto second = ramp_.Went(kStart);
  ramp_.Succeeded(first), ramp_.Succeeded(second);
  EXPECT_EQ(LetGo(kStart).size(), 4u);
}

}  // namespace
}  // namespace sluice

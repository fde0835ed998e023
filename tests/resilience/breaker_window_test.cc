#include "server/resilience/breaker_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/resilience/random.h"
#include "tests/resilience/trace_seed.h"

namespace sluice {
namespace {

using absl::Seconds;
using testing::ElementsAre;

const TimePoint kNow = absl::FromUnixSeconds(10'000);

TEST(BreakerWindowTest, FailuresAreNamedTheMostFrequentFirst) {
  BreakerWindow window = BreakerWindow::OfTime(Seconds(60));
  for (int i = 0; i < 3; ++i) window.Add(true, false, "503", kNow);
  for (int i = 0; i < 5; ++i) window.Add(true, true, "timeout", kNow);
  window.Add(false, true, "", kNow);
  EXPECT_EQ(window.Counts(kNow), (CallCounts{.calls = 9, .failures = 8, .slow = 6}));
  EXPECT_THAT(window.Failures(kNow), ElementsAre(FailureCount{"timeout", 5}, FailureCount{"503", 3}));
}

TEST(BreakerWindowTest, NamesAreBoundedAndTheRestIsOther) {
  for (BreakerWindow window : {BreakerWindow::OfTime(Seconds(60)), BreakerWindow::OfCount(1000)}) {
    for (int name = 0; name < 500; ++name) window.Add(true, false, absl::StrCat("name", name), kNow);
    const std::vector<FailureCount> failures = window.Failures(kNow);
    ASSERT_EQ(failures.size(), BreakerWindow::kNames + 1);
    EXPECT_EQ(failures.front(), (FailureCount{"other", 500 - BreakerWindow::kNames}));
  }
}

TEST(BreakerWindowTest, ALongNameIsCut) {
  BreakerWindow window = BreakerWindow::OfCount(5);
  window.Add(true, false, std::string(100'000, 'x'), kNow);
  EXPECT_EQ(window.Failures(kNow).front().name.size(), BreakerWindow::kMaxNameLength);
}

TEST(BreakerWindowTest, ANameThatLeftTheWindowMakesRoomForAnother) {
  BreakerWindow window = BreakerWindow::OfTime(Seconds(60));
  for (size_t name = 0; name < BreakerWindow::kNames; ++name) window.Add(true, false, absl::StrCat(name), kNow);
  const TimePoint later = kNow + Seconds(61);
  window.Add(true, false, "new", later);
  EXPECT_THAT(window.Failures(later), ElementsAre(FailureCount{"new", 1}));
}

TEST(BreakerWindowTest, AnOlderTimeThanTheNewestCountsAsTheNewest) {
  BreakerWindow window = BreakerWindow::OfTime(Seconds(60));
  window.Add(true, false, "503", kNow);
  window.Add(true, false, "503", kNow - Seconds(90));  // another thread's clock reading
  EXPECT_EQ(window.Counts(kNow).calls, 2u);
  EXPECT_EQ(window.Counts(kNow - Seconds(90)).calls, 2u);
}

TEST(BreakerWindowTest, TimesBeforeTheClocksZeroCountToo) {
  BreakerWindow window = BreakerWindow::OfTime(Seconds(60));
  const TimePoint early = absl::UnixEpoch() - Seconds(10);
  window.Add(true, false, "503", early);
  EXPECT_EQ(window.Counts(early + Seconds(59)).calls, 1u);
  EXPECT_EQ(window.Counts(early + Seconds(60)).calls, 0u);
}

// --- Against a model that keeps every result

struct Result {
  TimePoint at;
  bool failed;
  bool slow;
  std::string failure;
};

struct Expected {
  CallCounts counts;
  std::map<std::string, uint32_t> failures;
};

Expected Count(const std::vector<Result>& results) {
  Expected expected;
  for (const Result& result : results) {
    ++expected.counts.calls;
    if (result.slow) ++expected.counts.slow;
    if (!result.failed) continue;
    ++expected.counts.failures;
    ++expected.failures[result.failure];
  }
  return expected;
}

void ExpectSame(const BreakerWindow& window, const Expected& expected, TimePoint now) {
  EXPECT_EQ(window.Counts(now), expected.counts);
  std::map<std::string, uint32_t> failures;
  for (const FailureCount& failure : window.Failures(now)) failures[failure.name] = failure.count;
  EXPECT_EQ(failures, expected.failures);
}

Result RandomResult(Random& random, TimePoint now) {
  return {now, random.Below(2) == 0, random.Below(3) == 0, absl::StrCat("failure", random.Below(BreakerWindow::kNames))};
}

// As many traces have long pauses as have none.
Duration RandomStep(Random& random, Duration window) {
  const uint64_t dice = random.Below(100);
  if (dice < 40) return absl::ZeroDuration();
  if (dice < 97) return window * random.Uniform() / 20;
  return window * random.Uniform() * 2;
}

TEST(BreakerWindowTest, ACountWindowEqualsTheLastResults) {
  ForEachTrace(200, [](uint64_t seed) {
    Random random(seed);
    const size_t size = 1 + random.Below(40);
    BreakerWindow window = BreakerWindow::OfCount(size);
    std::vector<Result> all;
    for (int step = 0; step < 300 && !testing::Test::HasFailure(); ++step) {
      const Result result = RandomResult(random, kNow);
      all.push_back(result);
      window.Add(result.failed, result.slow, result.failure, result.at);
      ExpectSame(window, Count({all.end() - std::min(size, all.size()), all.end()}), kNow);
    }
  });
}

TEST(BreakerWindowTest, ATimeWindowEqualsTheResultsOfItsBuckets) {
  ForEachTrace(200, [](uint64_t seed) {
    Random random(seed);
    const Duration bucket = absl::Milliseconds(1 + random.Below(3000));
    const Duration span = bucket * BreakerWindow::kBuckets;
    const auto bucket_of = [&](TimePoint at) { return absl::Floor(at - absl::UnixEpoch(), bucket); };
    BreakerWindow window = BreakerWindow::OfTime(span);
    std::vector<Result> all;
    TimePoint now = kNow;
    for (int step = 0; step < 300 && !testing::Test::HasFailure(); ++step) {
      now += RandomStep(random, span);
      if (random.Below(4) != 0) {
        all.push_back(RandomResult(random, now));
        window.Add(all.back().failed, all.back().slow, all.back().failure, now);
      }
      std::vector<Result> inside;
      uint32_t surely = 0, perhaps = 0;  // by age alone, whatever the buckets
      for (const Result& result : all) {
        if (bucket_of(now) - bucket_of(result.at) < span) inside.push_back(result);
        if (now - result.at <= span - bucket) ++surely;
        if (now - result.at < span) ++perhaps;
      }
      ExpectSame(window, Count(inside), now);
      EXPECT_GE(window.Counts(now).calls, surely);
      EXPECT_LE(window.Counts(now).calls, perhaps);
    }
  });
}

}  // namespace
}  // namespace sluice

#include "server/resilience/peak_ewma.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

const TimePoint kStart = absl::FromUnixSeconds(1000);
const Duration kDecay = Seconds(10);

void ExpectNear(Duration value, Duration wanted) {
  EXPECT_LE(absl::AbsDuration(value - wanted), absl::Microseconds(1)) << value << " is not " << wanted;
}

TEST(PeakEwmaTest, IsZeroAndUnknownBeforeTheFirstSample) {
  PeakEwma ewma;
  EXPECT_FALSE(ewma.known());
  EXPECT_EQ(ewma.Value(kStart, kDecay), absl::ZeroDuration());
}

TEST(PeakEwmaTest, TheFirstSampleIsTheValue) {
  PeakEwma ewma;
  ewma.Observe(Milliseconds(40), kStart, kDecay);
  EXPECT_TRUE(ewma.known());
  EXPECT_EQ(ewma.Value(kStart, kDecay), Milliseconds(40));
}

TEST(PeakEwmaTest, ASlowSampleCountsAtOnce) {
  PeakEwma ewma;
  ewma.Observe(Milliseconds(40), kStart, kDecay);
  ewma.Observe(Seconds(3), kStart + Milliseconds(1), kDecay);
  EXPECT_EQ(ewma.Value(kStart + Milliseconds(1), kDecay), Seconds(3));
}

TEST(PeakEwmaTest, AFastSampleCountsByTheTimeThatPassed) {
  PeakEwma ewma;
  ewma.Observe(Seconds(1), kStart, kDecay);
  // No time has passed: one fast answer proves nothing.
  ewma.Observe(Milliseconds(100), kStart, kDecay);
  EXPECT_EQ(ewma.Value(kStart, kDecay), Seconds(1));
  ewma.Observe(Milliseconds(100), kStart + kDecay, kDecay);
  ExpectNear(ewma.Value(kStart + kDecay, kDecay), Milliseconds(100) + Milliseconds(900) * std::exp(-1.0));
}

TEST(PeakEwmaTest, ShrinksWhileNothingIsObserved) {
  PeakEwma ewma;
  ewma.Observe(Seconds(1), kStart, kDecay);
  ExpectNear(ewma.Value(kStart + kDecay, kDecay), Seconds(1) * std::exp(-1.0));
  ExpectNear(ewma.Value(kStart + kDecay * 3, kDecay), Seconds(1) * std::exp(-3.0));
  EXPECT_EQ(ewma.Value(kStart + absl::Hours(24 * 365), kDecay), absl::ZeroDuration());
}

TEST(PeakEwmaTest, ReadingChangesNothing) {
  PeakEwma read, unread;
  for (PeakEwma* ewma : {&read, &unread}) ewma->Observe(Seconds(1), kStart, kDecay);
  for (int i = 0; i < 10; ++i) (void)read.Value(kStart + Seconds(i), kDecay);
  for (PeakEwma* ewma : {&read, &unread}) ewma->Observe(Milliseconds(10), kStart + Seconds(10), kDecay);
  EXPECT_EQ(read.Value(kStart + Seconds(11), kDecay), unread.Value(kStart + Seconds(11), kDecay));
}

TEST(PeakEwmaTest, TimeThatGoesBackAndNegativeSamplesDoNoHarm) {
  PeakEwma ewma;
  ewma.Observe(Seconds(1), kStart, kDecay);
  ewma.Observe(-Seconds(5), kStart - Seconds(5), kDecay);
  EXPECT_EQ(ewma.Value(kStart - Seconds(9), kDecay), Seconds(1));
  // The earlier time did not stretch what passes next.
  ExpectNear(ewma.Value(kStart + kDecay, kDecay), Seconds(1) * std::exp(-1.0));
}

}  // namespace
}  // namespace sluice

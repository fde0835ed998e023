#include "server/resilience/retry_after.h"

#include <gtest/gtest.h>

#include <time.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

namespace sluice {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const absl::Time kWall = absl::FromUnixSeconds(784111777);

using Headers = std::map<std::string, std::string>;

std::optional<Duration> Read(const Headers& headers, int status = 429) {
  return ReadRetryAfter(
      status,
      [&](std::string_view name) {
        const auto found = headers.find(std::string(name));
        return found == headers.end() ? std::string_view() : std::string_view(found->second);
      },
      kWall);
}

struct Row {
  const char* name;
  Headers headers;
  std::optional<Duration> wait;
};

class RetryAfter : public testing::TestWithParam<Row> {};

TEST_P(RetryAfter, IsRead) { EXPECT_EQ(Read(GetParam().headers), GetParam().wait); }

INSTANTIATE_TEST_SUITE_P(
    Headers, RetryAfter,
    testing::Values(
        Row{"Nothing", {}, std::nullopt},
        Row{"Seconds", {{"retry-after", "8"}}, absl::Seconds(8)},
        Row{"Fraction", {{"retry-after", "0.5"}}, absl::Milliseconds(500)},
        Row{"Zero", {{"retry-after", "0"}}, absl::ZeroDuration()},
        Row{"Negative", {{"retry-after", "-5"}}, std::nullopt},
        Row{"NotANumber", {{"retry-after", "nan"}}, std::nullopt},
        Row{"Infinite", {{"retry-after", "inf"}}, std::nullopt},
        Row{"Garbage", {{"retry-after", "soon"}}, std::nullopt},
        Row{"Milliseconds", {{"retry-after-ms", "120"}, {"retry-after", "8"}}, absl::Milliseconds(120)},
        Row{"GarbageMillisecondsFallBack", {{"retry-after-ms", "x"}, {"retry-after", "8"}}, absl::Seconds(8)},
        Row{"ImfDate", {{"retry-after", "Sun, 06 Nov 1994 08:49:57 GMT"}}, absl::Seconds(20)},
        Row{"Rfc850Date", {{"retry-after", "Sunday, 06-Nov-94 08:49:57 GMT"}}, absl::Seconds(20)},
        Row{"AsctimeDate", {{"retry-after", "Sun Nov  6 08:49:57 1994"}}, absl::Seconds(20)},
        Row{"DateInThePast", {{"retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"}}, absl::ZeroDuration()},
        Row{"ADayIsAnHour", {{"retry-after", "86400"}}, absl::Hours(1)},
        Row{"ADistantDateIsAnHour", {{"retry-after", "Sun, 06 Nov 2094 08:49:37 GMT"}}, absl::Hours(1)},
        Row{"HugeNumber", {{"retry-after", "1e300"}}, absl::Hours(1)},
        Row{"ResetSeconds", {{"x-ratelimit-reset-requests", "1s"}}, absl::Seconds(1)},
        Row{"ResetMinutes", {{"x-ratelimit-reset-tokens", "6m0s"}}, absl::Minutes(6)},
        Row{"ResetMilliseconds", {{"x-ratelimit-reset-requests", "120ms"}}, absl::Milliseconds(120)},
        Row{"ResetOfTheLimitThatIsUsedUp",
            {{"x-ratelimit-reset-requests", "1s"},
             {"x-ratelimit-reset-tokens", "6m0s"},
             {"x-ratelimit-remaining-requests", "12"},
             {"x-ratelimit-remaining-tokens", "0"}},
            absl::Minutes(6)},
        Row{"BothUsedUpIsTheLonger",
            {{"x-ratelimit-reset-requests", "7s"},
             {"x-ratelimit-reset-tokens", "1s"},
             {"x-ratelimit-remaining-requests", "0"},
             {"x-ratelimit-remaining-tokens", "0"}},
            absl::Seconds(7)},
        Row{"NoneToldIsTheShorter",
            {{"x-ratelimit-reset-requests", "7s"}, {"x-ratelimit-reset-tokens", "1s"}},
            absl::Seconds(1)},
        Row{"Unit", {{"retry-after", "9s"}}, absl::Seconds(9)},
        Row{"UnitInWords", {{"retry-after", "2 minutes"}}, absl::Minutes(2)},
        Row{"UnitOfMilliseconds", {{"retry-after", "1500ms"}}, absl::Milliseconds(1500)},
        Row{"Quoted", {{"retry-after", "\"8\""}}, absl::Seconds(8)},
        Row{"Blanks", {{"retry-after", " 8 "}}, absl::Seconds(8)},
        Row{"UnitAndMore", {{"retry-after", "9s later"}}, std::nullopt},
        Row{"Rfc3339Date", {{"retry-after", "1994-11-06T08:49:57Z"}}, absl::Seconds(20)},
        Row{"UtcDate", {{"retry-after", "Sun, 06 Nov 1994 08:49:57 UTC"}}, absl::Seconds(20)},
        Row{"DateWithAZone", {{"retry-after", "Sun, 06 Nov 1994 03:49:57 -0500"}}, absl::Seconds(20)},
        Row{"AzureMilliseconds", {{"x-ms-retry-after-ms", "250"}, {"retry-after", "8"}}, absl::Milliseconds(250)},
        Row{"DraftReset", {{"ratelimit-reset", "30"}, {"ratelimit-remaining", "0"}}, absl::Seconds(30)},
        Row{"PlainReset", {{"x-ratelimit-reset", "12"}}, absl::Seconds(12)},
        Row{"AnthropicReset",
            {{"anthropic-ratelimit-requests-reset", "1994-11-06T08:49:47Z"},
             {"anthropic-ratelimit-tokens-reset", "1994-11-06T08:50:37Z"},
             {"anthropic-ratelimit-requests-remaining", "3"},
             {"anthropic-ratelimit-tokens-remaining", "0"}},
            absl::Seconds(60)},
        Row{"CerebrasReset",
            {{"x-ratelimit-reset-requests-day", "33000.5"},
             {"x-ratelimit-remaining-requests-day", "99"},
             {"x-ratelimit-reset-tokens-minute", "11.38"},
             {"x-ratelimit-remaining-tokens-minute", "0"}},
            absl::Seconds(11.38)},
        Row{"RetryAfterGoesBeforeReset", {{"retry-after", "2"}, {"x-ratelimit-reset-tokens", "9s"}}, absl::Seconds(2)}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RetryAfterTest, ResetTimesAskForRestOnlyWhereALimitWasHit) {
  const Headers headers = {{"x-ratelimit-reset-requests", "7s"}};
  EXPECT_EQ(Read(headers, 429), absl::Seconds(7));
  EXPECT_EQ(Read(headers, 503), std::nullopt);
  EXPECT_EQ(Read({{"retry-after", "7"}}, 503), absl::Seconds(7));
}

TEST(RetryAfterTest, ANumberSince1970IsATime) {
  const absl::Time now = absl::FromUnixSeconds(1'764'320'400);
  const auto read = [&](std::string_view value) {
    return ReadRetryAfter(429, [&](std::string_view name) { return name == "x-ratelimit-reset" ? value : std::string_view(); }, now);
  };
  EXPECT_EQ(read("1764320412"), absl::Seconds(12));
  EXPECT_EQ(read("1764320412500"), absl::Milliseconds(12500));
  EXPECT_EQ(read("1764320000"), absl::ZeroDuration());
}

// Whatever zone the machine is in.
TEST(RetryAfterTest, DatesAreUtc) {
  const char* before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  for (const char* zone : {"America/New_York", "Asia/Kolkata", "UTC"}) {
    setenv("TZ", zone, 1);
    tzset();
    for (const char* date : {"Sun, 06 Nov 1994 08:49:57 GMT", "Sunday, 06-Nov-94 08:49:57 GMT", "Sun Nov  6 08:49:57 1994"}) {
      EXPECT_EQ(Read({{"retry-after", date}}), absl::Seconds(20)) << date << " in " << zone;
    }
  }
  before == nullptr ? unsetenv("TZ") : setenv("TZ", kept.c_str(), 1);
  tzset();
}

}  // namespace
}  // namespace sluice

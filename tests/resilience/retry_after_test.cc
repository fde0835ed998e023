#include "server/resilience/retry_after.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

namespace sluice {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
const absl::Time kWall = absl::FromUnixSeconds(784111777);

using Headers = std::map<std::string, std::string>;

std::optional<Duration> Read(const Headers& headers) {
  return ReadRetryAfter(
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
        Row{"RetryAfterGoesBeforeReset", {{"retry-after", "2"}, {"x-ratelimit-reset-tokens", "9s"}}, absl::Seconds(2)}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice

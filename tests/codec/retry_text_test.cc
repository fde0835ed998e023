#include "server/codec/retry_text.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "server/resilience/retry_after.h"

namespace sluice {
namespace {

struct Row {
  const char* text;
  std::optional<Duration> wait;
};

TEST(RetryTextTest, ReadsATimeToWait) {
  for (const Row& row : {
           Row{"Please try again in 5.289s.", absl::Seconds(5.289)},
           Row{"Please try again in 6m0s.", absl::Minutes(6)},
           Row{"Please try again in 1h2m3.5s", absl::Hours(1)},
           Row{"Please try again in 120ms. Visit example.com", absl::Milliseconds(120)},
           Row{"Please retry after 12 seconds.", absl::Seconds(12)},
           Row{"please retry after 1 second", absl::Seconds(1)},
           Row{"Please retry in 33.5s.", absl::Seconds(33.5)},
           Row{"Try again in 20 s", absl::Seconds(20)},
           Row{"Too fast; wait 30 seconds before the next", absl::Seconds(30)},
           Row{"Please wait for 2 minutes and 5 seconds", absl::Seconds(125)},
           Row{"please try again after 1 seconds", absl::Seconds(1)},
           Row{"Retry in about 3 min", absl::Minutes(3)},
           Row{"try again in approximately 10 Seconds", absl::Seconds(10)},
           Row{"Your limit resets in 45s", absl::Seconds(45)},
           Row{"Retry after 30", absl::Seconds(30)},
           Row{"retry-after: 17", absl::Seconds(17)},
           Row{R"("retry_after": 2.5})", absl::Seconds(2.5)},
           Row{R"("retryDelay": "33s")", std::nullopt},  // read as a field, not as words
           Row{"Limit 60 per 1 minute, used 61. Please try again in 7s.", absl::Seconds(7)},
           Row{"try again in 2 days", kMaxRetryAfter},
           Row{"try again in 999999999999999999999999 s", kMaxRetryAfter},
       }) {
    EXPECT_EQ(ReadRetryText(row.text), row.wait) << row.text;
  }
}

TEST(RetryTextTest, OtherNumbersAreNone) {
  for (const char* text : {
           "", "slow down", "try again later", "10 requests in 60s, try again later", "Limit: 3 / min.",
           "The request failed after 30 seconds", "failed; retry after 3 attempts", "try again with 5 seconds",
           "Please retry. The limit is 100 tokens in 1 minute", "try again in 5 steps", "code 429", "wait",
           "try again in -5s", "try again in .s"}) {
    EXPECT_EQ(ReadRetryText(text), std::nullopt) << text;
  }
}

TEST(RetryTextTest, LooksNoFurtherThanTheBeginning) {
  EXPECT_EQ(ReadRetryText(std::string(5000, 'x') + " try again in 5s"), std::nullopt);
}

}  // namespace
}  // namespace sluice

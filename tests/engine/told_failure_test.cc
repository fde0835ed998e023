// What an upstream tells of its failure beside the status: a time to wait, a
// place to go to, that the prompt is too long.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Seconds;
using testing::HasSubstr;

class ToldFailureTest : public testing::Test {
 protected:
  ToldFailureTest() {
    h.Add("b/1");
    h.Add("c/1");
    h.On("c/1", {Script::Answer("blue")});
  }

  // How long b/1 rests after the call.
  Duration Rest() {
    const CallRecord& record = h.Run();
    EXPECT_EQ(record.outcome, CallOutcome::kComplete);
    return record.attempts.front().retry_after.value_or(absl::ZeroDuration());
  }

  CallHarness h;
};

TEST_F(ToldFailureTest, ATimeInTheBodyIsOneToWait) {
  h.On("b/1", {Script::Status(429, "rate_limited try again in 8s")});
  EXPECT_EQ(Rest(), Seconds(8));
}

TEST_F(ToldFailureTest, AHeaderGoesBeforeTheBody) {
  h.On("b/1", {Script::Status(429, "rate_limited try again in 8s", {{"retry-after", "5"}})});
  EXPECT_EQ(Rest(), Seconds(5));
}

TEST_F(ToldFailureTest, ATimeInAnEventIsOneToWait) {
  h.On("b/1", {Script().Connect().Head(200).Body("fail rate_limited try again in 8s\n").End()});
  EXPECT_EQ(Rest(), Seconds(8));
}

TEST_F(ToldFailureTest, APromptTooLongInAnEventMovesToALargerContext) {
  h.upstream("b").context_tokens = 8000;
  h.upstream("c").context_tokens = 128000;
  h.On("b/1", {Script().Connect().Head(200).Body("fail context too long\n").End()});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "b/1 failed caller; c/1 ok");
}

TEST_F(ToldFailureTest, ARedirectIsNotFollowedButTold) {
  h.route.retry.max_attempts = 1;
  h.On("b/1", {Script::Status(307, "moved", {{"location", "https://u:secret@other/v1?key=secret"}})});
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.error.kind, FailureKind::kProtocol);
  EXPECT_THAT(record.error.message, HasSubstr("redirected (307) to https://other/v1"));
  EXPECT_EQ(record.error.message.find("secret"), std::string::npos);
}

TEST_F(ToldFailureTest, ARedirectFailsOver) {
  h.On("b/1", {Script::Status(308, "", {{"location", "/v2/chat/completions"}})});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "b/1 failed protocol; c/1 ok");
}

}  // namespace
}  // namespace sluice

// A server that refuses the form of a request gets it in another one, and so
// does every later call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/engine/learned_forms.h"
#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FormTest : public testing::Test {
 protected:
  ~FormTest() override { EXPECT_THAT(h.Violations(), IsEmpty()); }

  std::string Body(size_t n) { return *h.transport.started[n].request.body; }
  LearnedForms& Forms(const std::string& upstream) { return h.upstream(upstream).state->forms(); }

  CallHarness h;
};

TEST_F(FormTest, ARefusedFormIsRepeatedAtOnceAndThereInAnother) {
  h.Add("a/1");
  h.Add("b/1");
  h.On("a/1", {Script::Status(400, "refuses stream_options"), Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 failed caller; a/1 ok");
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(Body(0), "model chat\n");
  EXPECT_EQ(Body(1), "model chat\nno stream_options\n");
  const auto& attempts = h.sink.record.attempts;
  EXPECT_EQ(attempts[1].started, attempts[0].started + attempts[0].duration);
  EXPECT_EQ(attempts[1].backoff, absl::ZeroDuration());
  EXPECT_THAT(h.observer.learned, ElementsAre("a : stream_options"));
  EXPECT_THAT(h.observer.retries, IsEmpty());
  EXPECT_THAT(h.observer.refusals, IsEmpty());
}

TEST_F(FormTest, ItTakesNothingOfTheBudget) {
  h.Add("a/1");
  h.route.retry.budget.retry_percent = 0;
  h.route.retry.budget.min_retries = 0;
  h.On("a/1", {Script::Status(400, "refuses max_tokens"), Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(Body(1), "model chat\nmax_completion_tokens\n");
  EXPECT_EQ(h.sink.text, "blue");
}

TEST_F(FormTest, WhatWasLearnedIsSentAtOnce) {
  h.Add("a/1");
  Forms("a").Learn("chat", FormPart::kStreamOptions);
  h.On("a/1", {Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 ok");
  EXPECT_EQ(Body(0), "model chat\nno stream_options\n");
  EXPECT_THAT(h.observer.learned, IsEmpty());
}

TEST_F(FormTest, WhatAnotherCallLearnedMeanwhileIsNoNewsButHelps) {
  h.Add("a/1");
  h.On("a/1", {Script().Connect().Head(400, {}, Milliseconds(50)).Body("refuses stream_options").End(), Script::Answer("blue")});
  h.Start();
  h.loop.RunFor(Milliseconds(10));
  Forms("a").Learn("chat", FormPart::kStreamOptions);
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 failed caller; a/1 ok");
  EXPECT_THAT(h.observer.learned, IsEmpty());
}

TEST_F(FormTest, EachPartIsGivenUpOnce) {
  h.Add("a/1");
  h.On("a/1", {Script::Status(400, "refuses stream_options"), Script::Status(400, "refuses max_tokens"),
               Script::Status(400, "refuses stream_options")});
  h.route.retry.max_attempts = 10;
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 failed caller; a/1 failed caller; a/1 failed caller");
  EXPECT_EQ(Body(2), "model chat\nno stream_options\nmax_completion_tokens\n");
  EXPECT_EQ(h.sink.record.error.kind, FailureKind::kCaller);
  EXPECT_THAT(h.observer.learned, ElementsAre("a : stream_options", "a : max_tokens"));
}

TEST_F(FormTest, ItCountsAsAnAttempt) {
  h.Add("a/1");
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(400, "refuses stream_options"), Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 failed caller");
  // The next call knows it.
  EXPECT_EQ(Forms("a").Of("chat"), FormParts(FormPart::kStreamOptions));
}

TEST_F(FormTest, WhatTheCallerWroteIsTheCallersToMend) {
  h.Add("a/1");
  // Nothing in this request is strict.
  h.On("a/1", {Script::Status(400, "refuses strict"), Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 failed caller");
  EXPECT_EQ(h.sink.record.error.kind, FailureKind::kCaller);
  EXPECT_TRUE(Forms("a").Of("chat").empty());
  EXPECT_THAT(h.observer.learned, IsEmpty());
}

TEST_F(FormTest, AHedgeThatIsRefusedLeavesTheOtherAlone) {
  h.Add("a/1");
  h.Add("b/1");
  h.route.hedge.emplace();
  h.route.hedge->delay = Milliseconds(10);
  h.route.hedge->max_percent = 100;
  h.On("a/1", {Script().Connect().Head(200).Body("text blue\nend\ndone\n", Milliseconds(100)).End()});
  h.On("b/1", {Script::Status(400, "refuses stream_options")});
  h.Run();
  EXPECT_EQ(h.Attempts(), "a/1 ok; b/1 failed caller");
  EXPECT_EQ(Forms("b").Of("chat"), FormParts(FormPart::kStreamOptions));
}

TEST_F(FormTest, EachDialectHasItsRequest) {
  for (const char* place : {"a/1", "b/1", "c/1"}) h.Add(place);
  h.upstream("b").dialect.stream_options = false;
  h.On("a/1", {Script::Status(500)});
  h.On("b/1", {Script::Status(500)});
  h.On("c/1", {Script::Answer("blue")});
  h.Run();
  EXPECT_EQ(Body(1), "model chat\nno stream_options\n");
  EXPECT_EQ(h.transport.started[0].request.body, h.transport.started[2].request.body);
  EXPECT_EQ(h.format.encoded, 2);
}

TEST(LearnedFormsTest, BelongToAModel) {
  LearnedForms forms;
  EXPECT_TRUE(forms.Of("m").empty());
  EXPECT_TRUE(forms.Learn("m", FormPart::kStrictTools));
  EXPECT_FALSE(forms.Learn("m", FormPart::kStrictTools));
  EXPECT_TRUE(forms.Learn("m", FormPart::kDeveloperRole));
  EXPECT_EQ(forms.Of("m").ToString(), "strict, developer");
  EXPECT_TRUE(forms.Of("n").empty());
}

TEST(LearnedFormsTest, OfTooManyModelsNothingIsLearned) {
  LearnedForms forms;
  for (size_t i = 0; i < LearnedForms::kMaxModels; ++i) {
    EXPECT_TRUE(forms.Learn(std::to_string(i), FormPart::kStates));
  }
  EXPECT_FALSE(forms.Learn("one more", FormPart::kStates));
  EXPECT_TRUE(forms.Of("one more").empty());
  EXPECT_TRUE(forms.Learn("0", FormPart::kReasoning));
}

TEST(LearnedFormsTest, AnotherDialectInThePolicyMakesANewBeginning) {
  LearnedForms forms;
  Dialect dialect;
  forms.Configure(dialect);
  forms.Learn("m", FormPart::kStates);
  forms.Configure(dialect);
  EXPECT_FALSE(forms.Of("m").empty());
  dialect.stream_options = false;
  forms.Configure(dialect);
  EXPECT_TRUE(forms.Of("m").empty());
}

}  // namespace
}  // namespace sluice

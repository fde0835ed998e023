// Events become one whole answer, in order and bounded.
#include "server/service/answer_collector.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

using Kind = StreamEvent::Kind;

StreamEvent Delta(Kind kind, std::string_view text, int choice = 0, int part = 0) {
  StreamEvent event;
  event.kind = kind;
  event.text = text;
  event.choice = choice;
  event.part = part;
  return event;
}

TEST(AnswerCollectorTest, AssemblesPartsOfEveryKindInOrder) {
  AnswerCollector collector(1 << 20);
  collector.Started("id", "u/e", "gpt");
  collector.Add(Delta(Kind::kReasoning, "think", 0, 0));
  collector.Add(Delta(Kind::kReasoning, "ing", 0, 0));
  collector.Add(Delta(Kind::kContent, "Hel", 0, 1));
  collector.Add(Delta(Kind::kContent, "other", 1, 0));
  collector.Add(Delta(Kind::kContent, "lo", 0, 1));
  StreamEvent tool = Delta(Kind::kToolCallStart, "", 0, 2);
  tool.id = "call_1";
  tool.name = "weather";
  collector.Add(tool);
  collector.Add(Delta(Kind::kToolCallDelta, "{\"a\":", 0, 2));
  collector.Add(Delta(Kind::kToolCallDelta, "1}", 0, 2));
  collector.Add(Delta(Kind::kRefusal, "no", 1, 1));
  StreamEvent end = Delta(Kind::kChoiceEnd, "tool_calls");
  end.finish_reason = FinishReason::kToolCalls;
  collector.Add(end);
  UsageCounts usage;
  usage.output_tokens = 3;
  StreamEvent counted = Delta(Kind::kUsage, "");
  counted.usage = &usage;
  collector.Add(counted);
  usage.output_tokens = 9;  // cumulative: replaces
  collector.Add(counted);
  StreamEvent extras = Delta(Kind::kExtras, "1");
  extras.name = "openai";
  extras.id = "x";
  extras.part = StreamEvent::kWholeAnswer;
  collector.Add(extras);

  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  v1::ChatResponse response = collector.Take(record);
  ASSERT_EQ(response.choices_size(), 2);
  const v1::Choice& first = response.choices(0);
  EXPECT_EQ(first.message().role(), v1::ROLE_ASSISTANT);
  ASSERT_EQ(first.message().parts_size(), 3);
  EXPECT_EQ(first.message().parts(0).reasoning().text(), "thinking");
  EXPECT_EQ(first.message().parts(1).text(), "Hello");
  EXPECT_EQ(first.message().parts(2).tool_call().id(), "call_1");
  EXPECT_EQ(first.message().parts(2).tool_call().arguments_json(), "{\"a\":1}");
  EXPECT_EQ(first.finish_reason(), v1::FINISH_REASON_TOOL_CALLS);
  EXPECT_EQ(first.provider_reason(), "tool_calls");
  EXPECT_EQ(response.choices(1).index(), 1);
  EXPECT_EQ(response.choices(1).message().parts(1).refusal().text(), "no");
  EXPECT_EQ(response.usage().output_tokens(), 9);
  EXPECT_EQ(response.extras_json().at("openai"), "{\"x\":1}");
  EXPECT_EQ(response.started().model(), "gpt");
  EXPECT_EQ(response.end().outcome(), v1::OUTCOME_COMPLETE);
}

StreamEvent Extra(std::string_view key, std::string_view json, int choice, int part) {
  StreamEvent event = Delta(Kind::kExtras, json, choice, part);
  event.id = key;
  event.name = "openai";
  return event;
}

TEST(AnswerCollectorTest, ExtrasBecomeOneObject) {
  AnswerCollector collector(1 << 20);
  constexpr int kWhole = StreamEvent::kWholeAnswer;
  collector.Add(Extra("citations", "[1]", 0, kWhole));
  collector.Add(Extra("citations", "[1,2]", 0, kWhole));
  collector.Add(Extra("images", "[\"a\"]", 1, 0));
  collector.Add(Extra("images", "[\"b\"]", 1, 0));
  collector.Add(Extra("score", "1", 1, 0));
  collector.Add(Extra("score", "2", 1, 0));
  EXPECT_EQ(collector.Take(CallRecord()).extras_json().at("openai"),
            R"({"citations":[1,2],"choices":[{"index":1,"images":["a","b"],"score":2}]})");
}

TEST(AnswerCollectorTest, APartKeepsTheStateThatItEndedWith) {
  AnswerCollector collector(1 << 20);
  collector.Add(Delta(Kind::kContent, "x", 0, 0));
  StreamEvent end = Delta(Kind::kPartEnd, R"({"extra_content":1})", 0, 0);
  end.name = "openai";
  collector.Add(end);
  const v1::ChatResponse response = collector.Take(CallRecord());
  const v1::Part& part = response.choices(0).message().parts(0);
  ASSERT_EQ(part.states_size(), 1);
  EXPECT_EQ(part.states(0).issuer(), "openai");
  EXPECT_EQ(part.states(0).value(), R"({"extra_content":1})");
}

TEST(AnswerCollectorTest, LogprobsStayAligned) {
  AnswerCollector collector(1 << 20);
  for (const char* token : {"a", "b"}) {
    std::vector<TokenLogprobValue> logprobs = {{token, token, -0.5, {{"c", "c", -1}}}};
    StreamEvent event = Delta(Kind::kContent, token);
    event.logprobs = &logprobs;
    collector.Add(event);
  }
  v1::ChatResponse response = collector.Take(CallRecord());
  ASSERT_EQ(response.choices(0).logprobs_size(), 2);
  EXPECT_EQ(response.choices(0).logprobs(1).token(), "b");
  EXPECT_EQ(response.choices(0).logprobs(1).top(0).token(), "c");
}

TEST(AnswerCollectorTest, DiscardLeavesNothingOfTheFirstAttempt) {
  AnswerCollector collector(1 << 20);
  collector.Started("id", "u/a", "m");
  collector.Add(Delta(Kind::kContent, "half an ans", 3));
  collector.Discard();
  collector.Started("id", "u/b", "m");
  collector.Add(Delta(Kind::kContent, "whole"));
  v1::ChatResponse response = collector.Take(CallRecord());
  ASSERT_EQ(response.choices_size(), 1);
  EXPECT_EQ(response.choices(0).message().parts(0).text(), "whole");
  EXPECT_EQ(response.started().served_by(), "u/b");
}

TEST(AnswerCollectorTest, OverTheBoundNothingMoreIsKept) {
  AnswerCollector collector(1000);
  for (int i = 0; i < 1000; ++i) collector.Add(Delta(Kind::kContent, std::string(100, 'x')));
  EXPECT_TRUE(collector.overflowed());
  v1::ChatResponse response = collector.Take(CallRecord());
  EXPECT_LE(response.ByteSizeLong(), 1000u);
}

TEST(AnswerCollectorTest, EmptyChoicesAndPartsCountToo) {
  AnswerCollector collector(10000);
  for (int i = 0; i < 1000; ++i) collector.Add(Delta(Kind::kContent, "", i));
  EXPECT_TRUE(collector.overflowed());
}

TEST(AnswerCollectorTest, ManySmallDeltasOfOnePartWeighTheirTextOnly) {
  AnswerCollector collector(1100);
  for (int i = 0; i < 1000; ++i) collector.Add(Delta(Kind::kContent, "x"));
  EXPECT_FALSE(collector.overflowed());
}

TEST(AnswerCollectorTest, TheErrorNamesTheBoundAndTheRoute) {
  CallError error = ResponseTooLarge(4096, "chat");
  EXPECT_EQ(error.grpc_code, 8);
  EXPECT_NE(error.message.find("4096"), std::string::npos);
  EXPECT_NE(error.message.find("max_response_bytes"), std::string::npos);
  EXPECT_NE(error.message.find("chat"), std::string::npos);
}

}  // namespace
}  // namespace sluice

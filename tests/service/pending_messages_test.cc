// Merging: fewer events, the same text, in order, in bounded messages.
#include "server/service/pending_messages.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "server/resilience/random.h"
#include "proto/status/bounded_text.h"
#include "server/service/status_mapping.h"

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

class PendingMessagesTest : public testing::Test {
 protected:
  std::vector<v1::ChatEvent> Drain(size_t max_message = SIZE_MAX) {
    std::vector<v1::ChatEvent> events;
    while (!pending_.empty()) {
      auto message = pending_.TakeFirst();
      EXPECT_LE(message->message().ByteSizeLong(), max_message);
      for (const auto& event : message->message().events()) events.push_back(event);
      pool_.GiveBack(std::move(message));
    }
    EXPECT_EQ(pending_.bytes(), 0u);
    return events;
  }

  MessagePool pool_;
  PendingMessages pending_{pool_};
};

TEST_F(PendingMessagesTest, NeighbouringDeltasOfOnePartBecomeOneEvent) {
  for (const char* text : {"a", "b", "c"}) pending_.Add(Delta(Kind::kContent, text));
  auto events = Drain();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].content().text(), "abc");
}

TEST_F(PendingMessagesTest, DifferentChoicePartOrKindStaysApart) {
  pending_.Add(Delta(Kind::kContent, "a"));
  pending_.Add(Delta(Kind::kContent, "b", 1));
  pending_.Add(Delta(Kind::kContent, "c", 1, 1));
  pending_.Add(Delta(Kind::kReasoning, "d", 1, 1));
  pending_.Add(Delta(Kind::kReasoning, "e", 1, 1));
  pending_.Add(Delta(Kind::kContent, "f"));
  auto events = Drain();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[3].reasoning().text(), "de");
  EXPECT_EQ(events[4].content().text(), "f");
}

TEST_F(PendingMessagesTest, RowD5WhatMayBeReplayedIsKeptEventForEvent) {
  pending_.KeepApart();
  for (const char* text : {"a", "b", "c"}) pending_.Add(Delta(Kind::kContent, text));
  EXPECT_EQ(Drain().size(), 3u);
}

TEST_F(PendingMessagesTest, StartsAndEndsNeverMerge) {
  StreamEvent start = Delta(Kind::kToolCallStart, "");
  start.id = "1";
  pending_.Add(start);
  pending_.Add(Delta(Kind::kToolCallDelta, "{"));
  pending_.Add(Delta(Kind::kToolCallDelta, "}"));
  pending_.Add(Delta(Kind::kPartEnd, ""));
  pending_.Add(Delta(Kind::kPartEnd, ""));
  auto events = Drain();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1].tool_call_delta().arguments_json(), "{}");
}

TEST_F(PendingMessagesTest, TheModelIsToldByStartedOnly) {
  pending_.AddStarted("id", "u/e", "gpt");
  pending_.Add(Delta(Kind::kModel, "gpt"));
  pending_.Add(Delta(Kind::kContent, "x"));
  pending_.AddEnd(CallRecord());
  auto events = Drain();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].started().model(), "gpt");
  EXPECT_TRUE(events[2].has_end());
}

TEST_F(PendingMessagesTest, MessagesStayNearTheirBoundWhateverComes) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "日本";  // 600,000 bytes
  pending_.Add(Delta(Kind::kContent, "before"));
  pending_.Add(Delta(Kind::kContent, text));
  EXPECT_GT(pending_.size(), 8u);
  std::string all;
  for (const auto& event : Drain((64 << 10) + 128)) {
    all += event.content().text();
    EXPECT_EQ(event.content().text().size(), WholeCharacters(event.content().text(), 1 << 20).size());
  }
  EXPECT_EQ(all, "before" + text);
}

TEST_F(PendingMessagesTest, RandomDeltasKeepTextAndOrderOfEveryPart) {
  Random random(7);
  std::map<std::pair<int, int>, std::string> want, got;
  for (int i = 0; i < 20000; ++i) {
    int choice = static_cast<int>(random.Below(3)), part = static_cast<int>(random.Below(2));
    std::string text(1 + random.Below(40), static_cast<char>('a' + random.Below(26)));
    pending_.Add(Delta(part == 0 ? Kind::kContent : Kind::kReasoning, text, choice, part));
    want[{choice, part}] += text;
  }
  for (const auto& event : Drain((64 << 10) + 4096)) {
    got[{event.choice(), event.part()}] += event.has_content() ? event.content().text() : event.reasoning().text();
  }
  EXPECT_EQ(got, want);
}

TEST_F(PendingMessagesTest, ClearForgetsEverything) {
  pending_.Add(Delta(Kind::kContent, "x"));
  pending_.Clear();
  EXPECT_TRUE(pending_.empty());
  EXPECT_EQ(pending_.bytes(), 0u);
}

TEST_F(PendingMessagesTest, AMessageThatIsUsedAgainHoldsNothingOfBefore) {
  Random random(11);
  for (int i = 0; i < 200; ++i) {
    // Small ones are cleared, large ones go back to their first block.
    const std::string text(1 + random.Below(i % 7 == 0 ? 4000 : 60), static_cast<char>('a' + i % 26));
    pending_.Add(Delta(i % 2 == 0 ? Kind::kContent : Kind::kRefusal, text, i % 3));
    if (i % 5 == 0) pending_.Add(Delta(Kind::kChoiceEnd, "stop"));
    auto message = pending_.TakeFirst();
    const auto& events = message->message().events();
    ASSERT_EQ(events.size(), i % 5 == 0 ? 2 : 1);
    EXPECT_EQ(events[0].choice(), i % 3);
    EXPECT_EQ(i % 2 == 0 ? events[0].content().text() : events[0].refusal().text(), text);
    pool_.GiveBack(std::move(message));
    ASSERT_TRUE(pending_.empty());
  }
}

TEST_F(PendingMessagesTest, AStreamWithNothingPendingTakesFewBytes) {
  // Times the open streams; nothing more is on the heap.
  EXPECT_LE(sizeof(PendingMessages), 64u);
}

TEST_F(PendingMessagesTest, TheEndWeighsNoLessThanItsBytes) {
  CallRecord record;
  record.outcome = CallOutcome::kTruncated;
  record.served_by = std::string(60, 'u');
  record.delivered = record.abandoned = {100000, 100000, 200000, 90000, 80000, true};
  record.total = record.queued = absl::Milliseconds(123456);
  record.fallback = std::string(500, 'f');
  record.restarts = 3;
  record.error = {FailureKind::kTruncated, 10, "STREAM_TRUNCATED", std::string(3000, 'm'), "", {}};
  AttemptRecord attempt;
  attempt.upstream = attempt.endpoint = std::string(100, 'e');
  attempt.outcome = AttemptOutcome::kCancelled;
  attempt.failure = FailureKind::kTruncated;
  attempt.message = std::string(2000, 'x');
  attempt.http_status = 503;
  attempt.backoff = attempt.duration = absl::Milliseconds(98765);
  attempt.time_to_first_token = attempt.retry_after = absl::Milliseconds(98765);
  attempt.hedge = true;
  record.attempts.assign(40, attempt);
  pending_.AddEnd(record);
  const size_t weight = pending_.bytes();
  const auto events = Drain();
  ASSERT_EQ(events.size(), 1u);
  const size_t bytes = events[0].ByteSizeLong();
  EXPECT_GE(weight, bytes);
  EXPECT_LE(weight, bytes + bytes / 4);
  EXPECT_EQ(events[0].end().SerializeAsString(), EndMessage(record).SerializeAsString());
}

TEST(BoundedTextTest, NeverSplitsACharacter) {
  EXPECT_EQ(BoundedText("héllo", 100), "héllo");
  EXPECT_EQ(BoundedText("aéé", 4), "a…");
  EXPECT_EQ(BoundedText("a\tb\n", 100), "a b ");
  EXPECT_EQ(WholeCharacters("aé", 2), "a");
}

}  // namespace
}  // namespace sluice

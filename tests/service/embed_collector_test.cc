// Vectors come in any order and leave in that of the inputs.
#include "server/service/embed_collector.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

void Add(EmbedCollector& collector, int index, const std::vector<float>& values) {
  StreamEvent event;
  event.kind = StreamEvent::Kind::kEmbedding;
  event.choice = index;
  event.embedding = values;
  collector.Add(event);
}

TEST(EmbedCollectorTest, PutsVectorsInTheOrderOfTheInputs) {
  EmbedCollector collector(2, 1 << 20);
  Add(collector, 1, {3, 4});
  EXPECT_FALSE(collector.whole());
  Add(collector, 0, {1, 2});
  EXPECT_TRUE(collector.whole());
  UsageCounts usage;
  usage.input_tokens = 9;
  StreamEvent event;
  event.kind = StreamEvent::Kind::kUsage;
  event.usage = &usage;
  collector.Add(event);
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  v1::EmbedResponse response = collector.Take(record);
  ASSERT_EQ(response.embeddings_size(), 2);
  EXPECT_EQ(response.embeddings(0).values(1), 2);
  EXPECT_EQ(response.embeddings(1).values(0), 3);
  EXPECT_EQ(response.usage().input_tokens(), 9);
  EXPECT_EQ(response.end().outcome(), v1::OUTCOME_COMPLETE);
}

TEST(EmbedCollectorTest, NothingOfADiscardedAttemptIsLeft) {
  EmbedCollector collector(2, 1 << 20);
  Add(collector, 0, {1});
  Add(collector, 1, {1});
  collector.Discard();
  EXPECT_FALSE(collector.whole());
  Add(collector, 1, {2});
  Add(collector, 0, {3});
  v1::EmbedResponse response = collector.Take(CallRecord());
  EXPECT_EQ(response.embeddings(0).values(0), 3);
  EXPECT_EQ(response.embeddings(0).values_size(), 1);
}

TEST(EmbedCollectorTest, OverItsBoundItKeepsNothingMore) {
  EmbedCollector collector(2, EmbedAnswerBytes(1, 100));
  Add(collector, 0, std::vector<float>(100, 1));
  EXPECT_FALSE(collector.overflowed());
  Add(collector, 1, {1});
  EXPECT_TRUE(collector.overflowed());
  EXPECT_FALSE(collector.whole());
}

TEST(EmbedCollectorTest, AnIndexBeyondTheInputsIsLeftOut) {
  EmbedCollector collector(1, 1 << 20);
  Add(collector, 7, {1});
  Add(collector, -1, {1});
  EXPECT_FALSE(collector.whole());
}

}  // namespace
}  // namespace sluice

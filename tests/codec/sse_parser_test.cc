// Cases after the Web Platform Tests' eventsource/format-*; written anew.
#include "server/codec/sse_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

struct SseCase {
  std::string name;
  std::string stream;
  // "type|data|id" of each event.
  std::vector<std::string> events;
};

std::vector<std::string> Parse(const std::string& stream, size_t step) {
  SseParser parser(1 << 16);
  std::vector<std::string> events;
  SseEvent event;
  const auto take = [&] {
    while (parser.Next(event) == SseParser::Result::kEvent) {
      events.push_back(std::string(event.type) + "|" + std::string(event.data) + "|" + std::string(event.id));
    }
  };
  for (size_t at = 0; at < stream.size(); at += step) {
    const std::string piece = stream.substr(at, step);
    parser.Feed(piece);
    take();
  }
  parser.Finish();
  take();
  return events;
}

class SseTest : public testing::TestWithParam<SseCase> {};

TEST_P(SseTest, GivesTheEventsInAnySplit) {
  for (size_t step = 1; step <= GetParam().stream.size(); ++step) {
    ASSERT_EQ(Parse(GetParam().stream, step), GetParam().events) << "in pieces of " << step;
  }
}

const SseCase kCases[] = {
    {"PlainEvent", "data: a\n\n", {"|a|"}},
    {"OnlyOneBlankIsTakenOff", "data:  a\n\n", {"| a|"}},
    {"NoBlankAfterColon", "data:a\n\n", {"|a|"}},
    {"LinesAreJoined", "data: a\ndata: b\ndata\n\n", {"|a\nb\n|"}},
    {"EmptyDataIsAnEvent", "data\n\ndata:\n\n", {"||", "||"}},
    {"NoDataIsNoEvent", "event: x\n\nid: 1\n\ndata: a\n\n", {"|a|1"}},
    {"TypeHoldsForOneEvent", "event: x\ndata: a\n\ndata: b\n\n", {"x|a|", "|b|"}},
    {"LastTypeCounts", "event: x\nevent: y\ndata: a\n\n", {"y|a|"}},
    {"IdStays", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", {"|a|1", "|b|1", "|c|"}},
    {"IdWithNullIsIgnored", std::string("id: 1\ndata: a\n\nid: x\0y\ndata: b\n\n", 33), {"|a|1", "|b|1"}},
    {"CommentsAreIgnored", ":\n: a\ndata: a\n:data: b\n\n", {"|a|"}},
    {"UnknownFieldsAreIgnored", "dat: x\n data: y\ndata: a\nDATA: z\n\n", {"|a|"}},
    {"CrEndsALine", "data: a\rdata: b\r\rdata: c\r\r", {"|a\nb|", "|c|"}},
    {"CrLfEndsALine", "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", {"|a\nb|", "|c|"}},
    {"MixedLineEnds", "data: a\r\ndata: b\rdata: c\n\rdata: d\n\r\n", {"|a\nb\nc|", "|d|"}},
    {"ByteOrderMarkOnce", "\xEF\xBB\xBF" "data: a\n\n", {"|a|"}},
    {"ByteOrderMarkTwiceSpoilsTheField", "\xEF\xBB\xBF\xEF\xBB\xBF" "data: a\n\ndata: b\n\n", {"|b|"}},
    {"HalfAByteOrderMarkIsNone", "\xEF\xBB" "data: a\n\ndata: b\n\n", {"|b|"}},
    {"NullInData", std::string("data: a\0b\n\n", 11), {std::string("|a\0b|", 5)}},
    {"MissingFinalBlankLine", "data: a\n", {"|a|"}},
    {"MissingFinalLineEnd", "data: a\ndata: b", {"|a\nb|"}},
    {"RetryIsNoData", "retry: 100\ndata: a\nretry: x\n\n", {"|a|"}},
    {"NothingAtAll", "\n\n\r\n", {}},
};

INSTANTIATE_TEST_SUITE_P(Format, SseTest, testing::ValuesIn(kCases), [](const auto& info) { return info.param.name; });

TEST(SseParserTest, ReadsRetryOnlyFromDigits) {
  SseParser parser(100);
  SseEvent event;
  parser.Feed("retry: 3000\nretry: 1x\nretry:\n\n");
  EXPECT_EQ(parser.Next(event), SseParser::Result::kMore);
  EXPECT_EQ(parser.retry_ms(), 3000);
}

TEST(SseParserTest, AnEventWithinOneBufferIsAViewIntoIt) {
  SseParser parser(100);
  SseEvent event;
  const std::string bytes = "data: hello\n\n";
  parser.Feed(bytes);
  ASSERT_EQ(parser.Next(event), SseParser::Result::kEvent);
  EXPECT_EQ(event.data.data(), bytes.data() + 6);
}

TEST(SseParserTest, RefusesALineOverTheBoundBeforeItsEnd) {
  SseParser parser(10);
  SseEvent event;
  parser.Feed("data: 12345");
  EXPECT_EQ(parser.Next(event), SseParser::Result::kTooLarge);
  EXPECT_EQ(parser.Next(event), SseParser::Result::kTooLarge);
}

TEST(SseParserTest, RefusesManyLinesOverTheBound) {
  SseParser parser(10);
  SseEvent event;
  parser.Feed("data:1234\ndata:5678\ndata:9\n\n");
  EXPECT_EQ(parser.Next(event), SseParser::Result::kTooLarge);
}

}  // namespace
}  // namespace sluice

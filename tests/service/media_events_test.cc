// Sound and sources on their way to callers: as events, merged and cut to size, as
// one answer, and told once more from the log of a shared call.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/service/answer_collector.h"
#include "server/service/call_log.h"
#include "server/service/event_mapping.h"
#include "server/service/pending_messages.h"

namespace sluice {
namespace {

using Kind = StreamEvent::Kind;

StreamEvent Sound(std::string_view data, std::string_view transcript = "", std::string_view type = "", int part = 0) {
  StreamEvent event;
  event.kind = Kind::kMedia;
  event.part = part;
  event.data = data;
  event.text = transcript;
  event.name = type;
  return event;
}

StreamEvent Source(const CitationValue& value, int part = 0) {
  StreamEvent event;
  event.kind = Kind::kCitation;
  event.part = part;
  event.citation = &value;
  return event;
}

StreamEvent Text(std::string_view text, int part = 0) {
  StreamEvent event;
  event.text = text;
  event.part = part;
  return event;
}

CitationValue Value() {
  CitationValue value;
  value.url = "https://a.example";
  value.title = "A";
  value.cited_text = "what it says";
  value.start = 0;
  value.end = 4;
  value.file_id = "f";
  return value;
}

constexpr const char* kCitation =
    "url: \"https://a.example\"\ntitle: \"A\"\ncited_text: \"what it says\"\nstart: 0\nend: 4\nfile_id: \"f\"\n";

std::vector<v1::ChatEvent> Drain(PendingMessages& pending, MessagePool& pool, size_t max_message = SIZE_MAX) {
  std::vector<v1::ChatEvent> events;
  while (!pending.empty()) {
    auto message = pending.TakeFirst();
    EXPECT_LE(message->message().ByteSizeLong(), max_message);
    events.insert(events.end(), message->message().events().begin(), message->message().events().end());
    pool.GiveBack(std::move(message));
  }
  return events;
}

TEST(MediaEventsTest, NeighbouringPiecesOfOneSoundBecomeOneEvent) {
  MessagePool pool;
  PendingMessages pending(pool);
  pending.Add(Sound("ab", "He", "audio/pcm"));
  pending.Add(Sound("", "llo"));
  pending.Add(Sound(std::string_view("\0c", 2)));
  pending.Add(Sound("x", "", "audio/pcm", 1));
  const auto events = Drain(pending, pool);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].media().mime_type(), "audio/pcm");
  EXPECT_EQ(events[0].media().data(), std::string("ab\0c", 4));
  EXPECT_EQ(events[0].media().transcript(), "Hello");
  EXPECT_EQ(events[1].part(), 1);
}

TEST(MediaEventsTest, LongSoundsAreCutToTheSizeOfAMessage) {
  MessagePool pool;
  PendingMessages pending(pool);
  std::string data(500'000, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
  std::string transcript;
  for (int i = 0; i < 30'000; ++i) transcript += "日";
  pending.Add(Sound(data, transcript, "audio/wav"));
  std::string joined, text;
  int types = 0;
  for (const auto& event : Drain(pending, pool, (64 << 10) + 128)) {
    joined += event.media().data();
    text += event.media().transcript();
    types += event.media().mime_type().empty() ? 0 : 1;
  }
  EXPECT_EQ(joined, data);
  EXPECT_EQ(text, transcript);
  EXPECT_EQ(types, 1);
}

TEST(MediaEventsTest, ASourceIsAnEventOfItsPart) {
  MessagePool pool;
  PendingMessages pending(pool);
  const CitationValue value = Value();
  pending.Add(Text("a", 1));
  pending.Add(Source(value, 1));
  pending.Add(Text("b", 1));
  const auto events = Drain(pending, pool);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].part(), 1);
  EXPECT_EQ(events[1].citation().DebugString(), kCitation);
}

TEST(MediaEventsTest, OneAnswerHasThemInItsParts) {
  AnswerCollector collector(1 << 20);
  const CitationValue value = Value();
  collector.Add(Text("One "));
  collector.Add(Sound("ab", "One ", "audio/wav", 1));
  collector.Add(Text("two"));
  collector.Add(Source(value));
  collector.Add(Sound("c", "two", "", 1));
  const v1::ChatResponse response = collector.Take(CallRecord());
  const v1::Message& message = response.choices(0).message();
  ASSERT_EQ(message.parts_size(), 2);
  EXPECT_EQ(message.parts(0).text(), "One two");
  EXPECT_EQ(message.parts(0).citations(0).DebugString(), kCitation);
  EXPECT_EQ(message.parts(1).media().mime_type(), "audio/wav");
  EXPECT_EQ(message.parts(1).media().data(), "abc");
  EXPECT_EQ(message.parts(1).media().transcript(), "One two");
  EXPECT_EQ(message.text(), "One two") << "the one text part";
}

TEST(MediaEventsTest, SoundsAndSourcesCountAgainstTheBoundOfAnAnswer) {
  AnswerCollector sound(1000);
  sound.Add(Sound(std::string(1001, 'x')));
  EXPECT_TRUE(sound.overflowed());
  AnswerCollector sources(1000);
  CitationValue value = Value();
  value.cited_text = std::string(1001, 'x');
  sources.Add(Text("a"));
  sources.Add(Source(value));
  EXPECT_TRUE(sources.overflowed());
}

TEST(MediaEventsTest, TheTextIsSaidTwiceOnlyWithinTheBound) {
  const std::string half(600, 'x');
  AnswerCollector large(2000);
  large.Add(Text(half));
  EXPECT_EQ(large.Take(CallRecord()).choices(0).message().text(), half);
  AnswerCollector small(1000);
  small.Add(Text(half));
  const v1::ChatResponse response = small.Take(CallRecord());
  EXPECT_EQ(response.choices(0).message().text(), "");
  EXPECT_EQ(response.choices(0).message().parts(0).text(), half);
}

TEST(MediaEventsTest, TwoTextPartsAreNoOneText) {
  AnswerCollector collector(1000);
  collector.Add(Text("a"));
  collector.Add(Text("b", 1));
  EXPECT_EQ(collector.Take(CallRecord()).choices(0).message().text(), "");
}

// Writes down what it is told.
class Heard final : public StreamSink {
 public:
  void Started(std::string_view, std::string_view) override {}
  void Write(const StreamEvent& event) override { ASSERT_TRUE(FillEvent(event, &events.emplace_back())); }
  size_t pending_bytes() const override { return 0; }
  bool shows_content() const override { return true; }
  void Discard() override {}
  void Restart() override {}
  void Finish(const CallRecord&) override {}

  std::vector<v1::ChatEvent> events;
};

TEST(MediaEventsTest, TheLogOfASharedCallTellsThemAgain) {
  Heard heard;
  CallLog log;
  {
    const CitationValue value = Value();
    const std::string data("a\0b", 3);
    log.Add(CallStep::Written(Sound(data, "said", "audio/wav", 2)));
    log.Add(CallStep::Written(Source(value, 1)));
  }
  for (uint64_t i = log.begin(); i < log.end(); ++i) log.at(i).TellTo(heard);
  ASSERT_EQ(heard.events.size(), 2u);
  EXPECT_EQ(heard.events[0].part(), 2);
  EXPECT_EQ(heard.events[0].media().data(), std::string("a\0b", 3));
  EXPECT_EQ(heard.events[0].media().transcript(), "said");
  EXPECT_EQ(heard.events[0].media().mime_type(), "audio/wav");
  EXPECT_EQ(heard.events[1].citation().DebugString(), kCitation);
  EXPECT_GT(log.bytes(), Value().bytes());
}

}  // namespace
}  // namespace sluice

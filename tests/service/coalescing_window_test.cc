// The window in virtual time, around messages as StreamChatRpc has them.
#include "server/service/coalescing_window.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/resilience/random.h"
#include "server/service/pending_messages.h"
#include "tests/support/simulated_loop.h"

namespace sluice {
namespace {

constexpr Duration kWindow = absl::Milliseconds(50);

// A stream whose caller takes a message in `writing` time.
class WindowedStream {
 public:
  struct Sent {
    TimePoint at;
    std::string text;
  };

  explicit WindowedStream(SimulatedLoop& loop, Duration window = kWindow, Duration writing = absl::ZeroDuration())
      : loop_(loop), writing_(writing), pending_(pool_), window_(loop, window, [this] { Flush(); }) {}
  ~WindowedStream() { pending_.Clear(); }

  void Begin() {
    pending_.AddStarted("id", "u/e", "m");
    window_.Begin();
    Flush();
  }
  void Add(std::string_view text, StreamEvent::Kind kind = StreamEvent::Kind::kContent) {
    StreamEvent event;
    event.kind = kind;
    event.text = text;
    pending_.Add(event);
    window_.Added(event.is_content());
    Flush();
  }
  void End() {
    ended_ = true;
    pending_.AddEnd(CallRecord());
    Flush();
  }
  void Clear() {
    pending_.Clear();
    window_.Clear();
  }

  std::vector<Sent> sent;

 private:
  void Flush() {
    if (busy_ || pending_.empty()) return;
    if (!ended_ && pending_.size() == 1 && window_.Waits()) return;
    auto message = pending_.TakeFirst();
    window_.Written(!pending_.empty());
    std::string text;
    for (const auto& event : message->message().events()) text += event.has_end() ? "." : event.content().text();
    sent.push_back({loop_.Now(), std::move(text)});
    pool_.GiveBack(std::move(message));
    if (writing_ == absl::ZeroDuration()) return Flush();
    busy_ = true;
    loop_.StartTimer(loop_.Now() + writing_, [this] {
      busy_ = false;
      Flush();
    });
  }

  SimulatedLoop& loop_;
  const Duration writing_;
  MessagePool pool_;
  PendingMessages pending_;
  CoalescingWindow window_;
  bool busy_ = false;
  bool ended_ = false;
};

class CoalescingWindowTest : public testing::Test {
 protected:
  // Milliseconds from the test's beginning.
  int64_t At(size_t message) const { return absl::ToInt64Milliseconds(stream_.sent.at(message).at - start_); }
  const std::string& Text(size_t message) const { return stream_.sent.at(message).text; }
  void After(int64_t milliseconds) { loop_.RunFor(absl::Milliseconds(milliseconds)); }

  SimulatedLoop loop_;
  const TimePoint start_ = loop_.Now();
  WindowedStream stream_{loop_};
};

TEST_F(CoalescingWindowTest, TheFirstContentGoesAtOnceEvenAfterWhatCameBefore) {
  stream_.Begin();
  After(1);
  stream_.Add("{}", StreamEvent::Kind::kExtras);
  After(1);
  stream_.Add("first");
  ASSERT_EQ(stream_.sent.size(), 3u);
  EXPECT_EQ(At(2), 2);
  EXPECT_EQ(Text(2), "first");
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(CoalescingWindowTest, WhatComesWithinTheWindowIsOneMessageAWindowAfterTheFirstThatWaits) {
  stream_.Begin();
  for (const char* text : {"a", "b", "c", "d"}) {
    stream_.Add(text);
    After(20);
  }
  EXPECT_EQ(loop_.timers(), 0u);
  ASSERT_EQ(stream_.sent.size(), 3u);  // started, a, bcd
  EXPECT_EQ(At(1), 0);
  EXPECT_EQ(Text(2), "bcd");
  EXPECT_EQ(At(2), 70);
}

TEST_F(CoalescingWindowTest, WhatComesAfterASilenceGoesAtOnce) {
  stream_.Begin();
  stream_.Add("a");
  After(50);
  stream_.Add("b");
  ASSERT_EQ(stream_.sent.size(), 3u);
  EXPECT_EQ(At(2), 50);
  After(49);
  stream_.Add("c");
  EXPECT_EQ(stream_.sent.size(), 3u);
  After(50);
  ASSERT_EQ(stream_.sent.size(), 4u);
  EXPECT_EQ(At(3), 149);
}

TEST_F(CoalescingWindowTest, TheEndTakesAlongWhatWaits) {
  stream_.Begin();
  stream_.Add("a");
  stream_.Add("b");
  stream_.End();
  ASSERT_EQ(stream_.sent.size(), 3u);
  EXPECT_EQ(Text(2), "b.");
  EXPECT_EQ(At(2), 0);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(CoalescingWindowTest, AnAnswerThatBeginsAnewWaitsForNothing) {
  stream_.Begin();
  stream_.Add("a");
  After(1);
  stream_.Add("void");
  stream_.Clear();
  EXPECT_EQ(loop_.timers(), 0u);
  stream_.Begin();
  After(1);
  stream_.Add("b");
  ASSERT_EQ(stream_.sent.size(), 4u);
  EXPECT_EQ(At(2), 1);
  EXPECT_EQ(Text(3), "b");
  EXPECT_EQ(At(3), 2);
}

TEST_F(CoalescingWindowTest, AFullMessageDoesNotWaitAndItsRestOnlyAsLongAsIt) {
  stream_.Begin();
  stream_.Add("a");
  After(10);
  const std::string half(40 << 10, 'h');
  stream_.Add(half);
  After(10);
  stream_.Add(half);
  ASSERT_EQ(stream_.sent.size(), 3u);
  EXPECT_EQ(At(2), 20);
  EXPECT_EQ(Text(2), half);
  After(100);
  ASSERT_EQ(stream_.sent.size(), 4u);
  EXPECT_EQ(At(3), 60);
}

TEST_F(CoalescingWindowTest, AWindowThatGoesLeavesNoTimer) {
  {
    WindowedStream stream(loop_);
    stream.Begin();
    stream.Add("a");
    stream.Add("b");
    EXPECT_EQ(loop_.timers(), 1u);
  }
  EXPECT_EQ(loop_.timers(), 0u);
}

class CoalescingByChanceTest : public testing::TestWithParam<uint64_t> {};

TEST_P(CoalescingByChanceTest, OneMessageAWindowNothingLaterThanAWindowAndAllInOrder) {
  Random random(GetParam());
  SimulatedLoop loop;
  WindowedStream stream(loop);
  stream.Begin();
  std::string all;
  std::vector<TimePoint> came;
  for (int i = 0; i < 2000; ++i) {
    const char letter = static_cast<char>('a' + random.Below(26));
    all += letter;
    came.push_back(loop.Now());
    stream.Add(std::string(1, letter));
    loop.RunFor(absl::Microseconds(random.Below(3) == 0 ? random.Below(120'000) : random.Below(9'000)));
  }
  loop.RunUntilIdle();
  std::string got;
  for (size_t i = 1; i < stream.sent.size(); ++i) {
    const auto& [at, text] = stream.sent[i];
    EXPECT_LE(at - came[got.size()], kWindow);
    EXPECT_GE(at, came[got.size() + text.size() - 1]);
    EXPECT_TRUE(i == 1 || at - stream.sent[i - 1].at >= kWindow);
    got += text;
  }
  EXPECT_EQ(got, all);
  EXPECT_LT(stream.sent.size(), came.size() / 2);
}

TEST_P(CoalescingByChanceTest, AReaderWhoTakesItsTimeLosesNothing) {
  Random random(GetParam());
  SimulatedLoop loop;
  WindowedStream stream(loop, kWindow, absl::Milliseconds(1 + random.Below(100)));
  stream.Begin();
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    const size_t length = random.Below(50) == 0 ? 30'000 + random.Below(60'000) : 1 + random.Below(100);
    const std::string text(length, static_cast<char>('a' + random.Below(26)));
    all += text;
    stream.Add(text);
    loop.RunFor(absl::Microseconds(random.Below(40'000)));
  }
  stream.End();
  loop.RunUntilIdle();
  std::string got;
  for (const auto& message : stream.sent) got += message.text;
  EXPECT_EQ(got, all + ".");
}

INSTANTIATE_TEST_SUITE_P(Seeds, CoalescingByChanceTest, testing::Range<uint64_t>(1, 21));

TEST(CoalesceOfTest, TheCallerDecidesWhereItSaysAnything) {
  v1::StreamOptions options;
  EXPECT_EQ(CoalesceOf(options, kWindow), kWindow);
  options.mutable_coalesce();
  EXPECT_EQ(CoalesceOf(options, kWindow), absl::ZeroDuration());
  options.mutable_coalesce()->set_nanos(20'000'000);
  EXPECT_EQ(CoalesceOf(options, absl::ZeroDuration()), absl::Milliseconds(20));
  options.mutable_coalesce()->set_seconds(1);
  EXPECT_EQ(CoalesceOf(options, kWindow), absl::Milliseconds(1020));
}

}  // namespace
}  // namespace sluice

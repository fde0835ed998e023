#include "server/telemetry/line_writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000);

std::string NoNotice(uint64_t) { return ""; }

LineWriterOptions Options() {
  LineWriterOptions options;
  options.interval = absl::ZeroDuration();
  options.notice_interval = absl::ZeroDuration();
  options.max_lines_per_second = 0;
  return options;
}

// An output that remembers, and that can be made to block like a full pipe.
class FakeOutput {
 public:
  LineWriter::Output function() {
    return [this](std::string_view lines) { Take(lines); };
  }
  void Block() {
    std::lock_guard lock(mutex_);
    blocked_ = true;
  }
  void Unblock() {
    std::lock_guard lock(mutex_);
    blocked_ = false;
    changed_.notify_all();
  }
  void AwaitBlocked() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }
  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }
  int writes() {
    std::lock_guard lock(mutex_);
    return writes_;
  }

 private:
  void Take(std::string_view lines) {
    std::unique_lock lock(mutex_);
    waiting_ = blocked_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !blocked_; });
    waiting_ = false;
    text_ += lines;
    ++writes_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool blocked_ = false;
  bool waiting_ = false;
  std::string text_;
  int writes_ = 0;
};

TEST(LineWriterTest, WritesLinesInOrder) {
  FakeOutput output;
  LineWriter writer(Options(), output.function(), NoNotice);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(writer.Write(absl::StrCat(i, "\n"), kNow));
  writer.Flush();
  EXPECT_EQ(output.text(), "0\n1\n2\n");
  EXPECT_EQ(writer.figures().lines, 3u);
  EXPECT_EQ(writer.figures().dropped(), 0u);
}

TEST(LineWriterTest, TheEndWritesWhatWasTakenWithoutWaitingForTheInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  {
    LineWriter writer(options, output.function(), NoNotice);
    writer.Write("first\n", kNow);
    writer.Write("second\n", kNow);
  }
  EXPECT_EQ(output.text(), "first\nsecond\n");
}

TEST(LineWriterTest, AFlushDoesNotWaitForTheInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  LineWriter writer(options, output.function(), NoNotice);
  for (int i = 0; i < 5; ++i) {
    writer.Write("line\n", kNow);
    writer.Flush();
  }
  EXPECT_EQ(output.writes(), 5);
}

TEST(LineWriterTest, ABlockedOutputBlocksNobodyAndTheRestIsDroppedAndCounted) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.max_buffer_bytes = 10;
  LineWriter writer(options, output.function(), NoNotice);
  output.Block();
  EXPECT_TRUE(writer.Write("first\n", kNow));
  output.AwaitBlocked();
  EXPECT_TRUE(writer.Write("12345\n", kNow));   // 6 of 10 bytes
  EXPECT_FALSE(writer.Write("6789\n", kNow));   // 11
  EXPECT_TRUE(writer.Write("abc\n", kNow));     // 10: what still fits is taken
  EXPECT_FALSE(writer.Write("\n", kNow));
  output.Unblock();
  writer.Flush();
  EXPECT_EQ(output.text(), "first\n12345\nabc\n");
  EXPECT_EQ(writer.figures().lines, 3u);
  EXPECT_EQ(writer.figures().dropped_by_buffer, 2u);
  EXPECT_EQ(writer.figures().dropped_by_rate, 0u);
}

TEST(LineWriterTest, AHalfFullBufferIsWrittenBeforeItsInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  options.max_buffer_bytes = 100;
  LineWriter writer(options, output.function(), NoNotice);
  writer.Write("first\n", kNow);
  writer.Flush();
  const std::string long_line = std::string(60, 'x') + "\n";
  ASSERT_TRUE(writer.Write(long_line, kNow));
  // Returns though nobody asks for a flush.
  while (output.writes() < 2) std::this_thread::yield();
  EXPECT_EQ(output.text(), "first\n" + long_line);
}

TEST(LineWriterTest, TheRateHasABurstOfOneSecondAndComesBackWithTime) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.max_lines_per_second = 10;
  LineWriter writer(options, output.function(), NoNotice);
  const auto taken = [&](absl::Time now) {
    int count = 0;
    for (int i = 0; i < 30; ++i) count += writer.Write("x\n", now);
    return count;
  };
  EXPECT_EQ(taken(kNow), 10);
  EXPECT_EQ(taken(kNow), 0);
  EXPECT_EQ(taken(kNow + absl::Milliseconds(500)), 5);
  EXPECT_EQ(taken(kNow + absl::Hours(1)), 10);
  // A clock that was set back gives nothing and takes nothing.
  EXPECT_EQ(taken(kNow), 0);
  EXPECT_EQ(taken(kNow + absl::Milliseconds(300)), 3);
  EXPECT_EQ(writer.figures().dropped_by_rate, 7 * 30u - 28 - 30);
  EXPECT_EQ(writer.figures().lines, 28u);
}

TEST(LineWriterTest, ANoticeTellsHowManyWereDropped) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.max_lines_per_second = 1;
  LineWriter writer(options, output.function(), [](uint64_t dropped) { return absl::StrCat("dropped ", dropped, "\n"); });
  output.Block();
  writer.Write("kept\n", kNow);
  output.AwaitBlocked();
  for (int i = 0; i < 5; ++i) writer.Write("lost\n", kNow);
  output.Unblock();
  writer.Flush();
  for (int i = 0; i < 1000 && output.text().size() < 15; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(output.text(), "kept\ndropped 5\n");
}

TEST(LineWriterTest, NoticesAreRareButTheEndTellsTheRest) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.max_lines_per_second = 1;
  options.notice_interval = absl::Hours(1);
  {
    LineWriter writer(options, output.function(),
                      [](uint64_t dropped) { return absl::StrCat("dropped ", dropped, "\n"); });
    writer.Write("kept\n", kNow);
    writer.Write("lost\n", kNow);
    while (output.text() != "kept\ndropped 1\n") std::this_thread::yield();
    for (int i = 0; i < 5; ++i) writer.Write("lost\n", kNow);
    writer.Flush();
    EXPECT_EQ(output.text(), "kept\ndropped 1\n");
  }
  EXPECT_EQ(output.text(), "kept\ndropped 1\ndropped 5\n");
}

TEST(LineWriterTest, LinesOfManyThreadsStayWhole) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.max_buffer_bytes = 1 << 20;
  std::vector<std::thread> threads;
  {
    LineWriter writer(options, output.function(), NoNotice);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&writer, t] {
        const std::string line = std::string(20, static_cast<char>('a' + t)) + "\n";
        for (int i = 0; i < 500; ++i) writer.Write(line, kNow);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::string text = output.text();
  ASSERT_EQ(text.size(), 4u * 500 * 21);
  for (size_t at = 0; at < text.size(); at += 21) {
    ASSERT_EQ(text.substr(at, 21), std::string(20, text[at]) + "\n");
  }
}

}  // namespace
}  // namespace sluice

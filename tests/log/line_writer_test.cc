#include "proto/log/line_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
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

std::string NoNotice(LineSort, uint64_t) { return ""; }
std::string Notice(LineSort sort, uint64_t dropped) {
  return absl::StrCat(sort == LineSort::kCalls ? "calls" : "program", " dropped ", dropped, "\n");
}

LineWriterOptions Options() {
  LineWriterOptions options;
  options.interval = absl::ZeroDuration();
  options.notice_interval = absl::ZeroDuration();
  options.calls.max_lines_per_second = 0;
  return options;
}

// An output that remembers, and that can be made to block like a full pipe.
class FakeOutput {
 public:
  static constexpr size_t kAny = std::string::npos;

  LineWriter::Output function() {
    return [this](std::string_view lines) { return Take(lines); };
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
  // A disk with so much room left.
  void SetRoom(size_t bytes) {
    std::lock_guard lock(mutex_);
    room_ = bytes;
  }
  void AwaitTries(int more) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, until = tries_ + more] { return tries_ >= until; });
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
  size_t Take(std::string_view lines) {
    std::unique_lock lock(mutex_);
    ++tries_;
    changed_.notify_all();
    waiting_ = blocked_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !blocked_; });
    waiting_ = false;
    const size_t taken = std::min(room_, lines.size());
    room_ -= room_ == kAny ? 0 : taken;
    text_ += lines.substr(0, taken);
    ++writes_;
    return taken;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t room_ = kAny;
  int tries_ = 0;
  bool blocked_ = false;
  bool waiting_ = false;
  std::string text_;
  int writes_ = 0;
};

TEST(LineWriterTest, WritesLinesInOrder) {
  FakeOutput output;
  LineWriter writer(Options(), output.function(), NoNotice);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(writer.Write(LineSort::kCalls, absl::StrCat(i, "\n"), kNow));
  writer.Flush();
  EXPECT_EQ(output.text(), "0\n1\n2\n");
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).lines, 3u);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped(), 0u);
}

TEST(LineWriterTest, TheEndWritesWhatWasTakenWithoutWaitingForTheInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  {
    LineWriter writer(options, output.function(), NoNotice);
    writer.Write(LineSort::kCalls, "first\n", kNow);
    writer.Write(LineSort::kCalls, "second\n", kNow);
  }
  EXPECT_EQ(output.text(), "first\nsecond\n");
}

TEST(LineWriterTest, AFlushDoesNotWaitForTheInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  LineWriter writer(options, output.function(), NoNotice);
  for (int i = 0; i < 5; ++i) {
    writer.Write(LineSort::kCalls, "line\n", kNow);
    writer.Flush();
  }
  EXPECT_EQ(output.writes(), 5);
}

TEST(LineWriterTest, ABlockedOutputBlocksNobodyAndTheRestIsDroppedAndCounted) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls.max_buffer_bytes = 10;
  LineWriter writer(options, output.function(), NoNotice);
  output.Block();
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "first\n", kNow));
  output.AwaitBlocked();
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "12345\n", kNow));   // 6 of 10 bytes
  EXPECT_FALSE(writer.Write(LineSort::kCalls, "6789\n", kNow));   // 11
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "abc\n", kNow));     // 10: what still fits is taken
  EXPECT_FALSE(writer.Write(LineSort::kCalls, "\n", kNow));
  output.Unblock();
  writer.Flush();
  EXPECT_EQ(output.text(), "first\n12345\nabc\n");
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).lines, 3u);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped_by_buffer, 2u);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped_by_rate, 0u);
}

TEST(LineWriterTest, AHalfFullBufferIsWrittenBeforeItsInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  options.calls.max_buffer_bytes = 100;
  LineWriter writer(options, output.function(), NoNotice);
  writer.Write(LineSort::kCalls, "first\n", kNow);
  writer.Flush();
  const std::string long_line = std::string(60, 'x') + "\n";
  ASSERT_TRUE(writer.Write(LineSort::kCalls, long_line, kNow));
  // Returns though nobody asks for a flush.
  while (output.writes() < 2) std::this_thread::yield();
  EXPECT_EQ(output.text(), "first\n" + long_line);
}

TEST(LineWriterTest, TheRateHasABurstOfOneSecondAndComesBackWithTime) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls.max_lines_per_second = 10;
  LineWriter writer(options, output.function(), NoNotice);
  const auto taken = [&](absl::Time now) {
    int count = 0;
    for (int i = 0; i < 30; ++i) count += writer.Write(LineSort::kCalls, "x\n", now);
    return count;
  };
  EXPECT_EQ(taken(kNow), 10);
  EXPECT_EQ(taken(kNow), 0);
  EXPECT_EQ(taken(kNow + absl::Milliseconds(500)), 5);
  EXPECT_EQ(taken(kNow + absl::Hours(1)), 10);
  // A clock that was set back gives nothing and takes nothing.
  EXPECT_EQ(taken(kNow), 0);
  EXPECT_EQ(taken(kNow + absl::Milliseconds(300)), 3);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped_by_rate, 7 * 30u - 28 - 30);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).lines, 28u);
}

TEST(LineWriterTest, ANoticeTellsHowManyWereDropped) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls.max_lines_per_second = 1;
  LineWriter writer(options, output.function(), Notice);
  output.Block();
  writer.Write(LineSort::kCalls, "kept\n", kNow);
  output.AwaitBlocked();
  for (int i = 0; i < 5; ++i) writer.Write(LineSort::kCalls, "lost\n", kNow);
  output.Unblock();
  writer.Flush();
  for (int i = 0; i < 1000 && output.text().size() < 20; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(output.text(), "kept\ncalls dropped 5\n");
}

TEST(LineWriterTest, NoticesAreRareButTheEndTellsTheRest) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls.max_lines_per_second = 1;
  options.notice_interval = absl::Hours(1);
  {
    LineWriter writer(options, output.function(), Notice);
    writer.Write(LineSort::kCalls, "kept\n", kNow);
    writer.Write(LineSort::kCalls, "lost\n", kNow);
    while (output.text() != "kept\ncalls dropped 1\n") std::this_thread::yield();
    for (int i = 0; i < 5; ++i) writer.Write(LineSort::kCalls, "lost\n", kNow);
    writer.Flush();
    EXPECT_EQ(output.text(), "kept\ncalls dropped 1\n");
  }
  EXPECT_EQ(output.text(), "kept\ncalls dropped 1\ncalls dropped 5\n");
}

// The call log's rate and room are its own: an outage that fails every call
// must not hide what the program says of it.
TEST(LineWriterTest, AFullCallLogLeavesTheProgramsLinesTheirRoomAndRate) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls = {20, 3};
  options.program.max_buffer_bytes = 20;
  LineWriter writer(options, output.function(), NoNotice);
  output.Block();
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "call 1\n", kNow));
  output.AwaitBlocked();
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "call 2\n", kNow));
  EXPECT_TRUE(writer.Write(LineSort::kProgram, "word 1\n", kNow));
  EXPECT_TRUE(writer.Write(LineSort::kCalls, "call 3\n", kNow));
  EXPECT_FALSE(writer.Write(LineSort::kCalls, "4\n", kNow)) << "over the rate";
  EXPECT_FALSE(writer.Write(LineSort::kCalls, "call 5\n", kNow)) << "no room";
  EXPECT_TRUE(writer.Write(LineSort::kProgram, "word 2\n", kNow));
  EXPECT_FALSE(writer.Write(LineSort::kProgram, "word 3\n", kNow)) << "no room";
  output.Unblock();
  writer.Flush();
  EXPECT_EQ(output.text(), "call 1\ncall 2\nword 1\ncall 3\nword 2\n") << "in the order in which they came";
  const LineWriterFigures figures = writer.figures();
  EXPECT_EQ(figures.of(LineSort::kProgram).lines, 2u);
  EXPECT_EQ(figures.of(LineSort::kProgram).dropped_by_buffer, 1u);
  EXPECT_EQ(figures.of(LineSort::kCalls).dropped_by_rate, 1u);
  EXPECT_EQ(figures.of(LineSort::kCalls).dropped_by_buffer, 1u);
}

TEST(LineWriterTest, TheProgramsLinesDoNotWaitForTheInterval) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.interval = absl::Hours(1);
  LineWriter writer(options, output.function(), NoNotice);
  for (int i = 1; i <= 3; ++i) {
    writer.Write(LineSort::kProgram, "line\n", kNow);
    while (output.writes() < i) std::this_thread::yield();
  }
}

TEST(LineWriterTest, WhatAFullDiskRefusesIsCountedAndTriedAgainWithTheNextLine) {
  FakeOutput output;
  LineWriter writer(Options(), output.function(), NoNotice);
  output.SetRoom(0);
  writer.Write(LineSort::kProgram, "lost\n", kNow);
  writer.Write(LineSort::kCalls, "lost\n", kNow);
  writer.Flush();
  output.SetRoom(FakeOutput::kAny);
  writer.Write(LineSort::kProgram, "kept\n", kNow);
  writer.Flush();
  EXPECT_EQ(output.text(), "kept\n");
  EXPECT_EQ(writer.figures().of(LineSort::kProgram).dropped_by_output, 1u);
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped_by_output, 1u);
}

TEST(LineWriterTest, ALineThatWasWrittenInPartEndsBeforeTheNextOne) {
  FakeOutput output;
  LineWriterOptions options = Options();
  LineWriter writer(options, output.function(), NoNotice);
  output.Block();
  writer.Write(LineSort::kProgram, "first\n", kNow);
  output.AwaitBlocked();
  writer.Write(LineSort::kProgram, "whole\n", kNow);
  writer.Write(LineSort::kCalls, "broken\n", kNow);
  writer.Write(LineSort::kProgram, "lost\n", kNow);
  output.SetRoom(6 + 6 + 3);
  output.Unblock();
  writer.Flush();
  output.SetRoom(FakeOutput::kAny);
  writer.Write(LineSort::kProgram, "next\n", kNow);
  writer.Flush();
  EXPECT_EQ(output.text(), "first\nwhole\nbro\nnext\n");
  EXPECT_EQ(writer.figures().of(LineSort::kCalls).dropped_by_output, 1u);
  EXPECT_EQ(writer.figures().of(LineSort::kProgram).dropped_by_output, 1u);
}

TEST(LineWriterTest, ANoticeThatNobodyTookIsToldAgain) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.notice_interval = absl::Milliseconds(20);
  LineWriter writer(options, output.function(), Notice);
  output.SetRoom(0);
  writer.Write(LineSort::kProgram, "lost\n", kNow);
  writer.Flush();
  output.AwaitTries(2);  // with notices alone
  output.SetRoom(FakeOutput::kAny);
  while (output.text() != "program dropped 1\n") std::this_thread::yield();
}

TEST(LineWriterTest, TheEndGivesUpOnAnOutputThatBlocksForEver) {
  // Outlives the test, as the writer's thread does.
  static auto& output = *new FakeOutput;
  LineWriterOptions options = Options();
  options.close_within = absl::Milliseconds(50);
  LineWriter writer(options, output.function(), NoNotice);
  output.Block();
  writer.Write(LineSort::kProgram, "first\n", kNow);
  output.AwaitBlocked();
  EXPECT_FALSE(writer.Close());
  EXPECT_FALSE(writer.Write(LineSort::kProgram, "late\n", kNow));
  EXPECT_TRUE(writer.Close()) << "nothing is left to wait for";
  output.Unblock();
}

TEST(LineWriterTest, LinesOfManyThreadsStayWhole) {
  FakeOutput output;
  LineWriterOptions options = Options();
  options.calls.max_buffer_bytes = 1 << 20;
  std::vector<std::thread> threads;
  {
    LineWriter writer(options, output.function(), NoNotice);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&writer, t] {
        const std::string line = std::string(20, static_cast<char>('a' + t)) + "\n";
        for (int i = 0; i < 500; ++i) writer.Write(LineSort::kCalls, line, kNow);
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

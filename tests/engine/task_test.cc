#include "server/runtime/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/runtime/mailbox.h"

namespace sluice {
namespace {

Task<> Note(std::vector<std::string>& log, std::string what) {
  log.push_back(what);
  co_return;
}

Task<int> Sum(Mailbox<int>& inbox, int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await inbox.Next();
  co_return sum;
}

Task<> Outer(Mailbox<int>& inbox, int& result) {
  Task<int> sum = Sum(inbox, 3);
  result = co_await std::move(sum);
}

TEST(TaskTest, NothingRunsBeforeStart) {
  std::vector<std::string> log;
  Task<> task = Note(log, "ran");
  EXPECT_TRUE(log.empty());
  EXPECT_FALSE(task.done());
  task.Start();
  EXPECT_EQ(log.size(), 1u);
  EXPECT_TRUE(task.done());
}

TEST(TaskTest, ANestedTaskGivesItsValue) {
  Mailbox<int> inbox;
  int result = 0;
  Task<> task = Outer(inbox, result);
  task.Start();
  for (int i = 1; i <= 3; ++i) inbox.Push(i);
  EXPECT_TRUE(task.done());
  EXPECT_EQ(result, 6);
}

struct Witness {
  explicit Witness(int& alive) : alive(alive) { ++alive; }
  ~Witness() { --alive; }
  int& alive;
};

Task<int> HoldInner(Mailbox<int>& inbox, int& alive) {
  Witness witness(alive);
  co_return co_await inbox.Next();
}

Task<> HoldOuter(Mailbox<int>& inbox, int& alive) {
  Witness witness(alive);
  Task<int> inner = HoldInner(inbox, alive);
  co_await std::move(inner);
}

TEST(TaskTest, DestroyingASuspendedTaskUnwindsItAndWhatItAwaits) {
  Mailbox<int> inbox;
  int alive = 0;
  {
    Task<> task = HoldOuter(inbox, alive);
    task.Start();
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

TEST(TaskTest, DestroyingATaskThatNeverRanIsHarmless) {
  Mailbox<int> inbox;
  int alive = 0;
  { Task<> task = HoldOuter(inbox, alive); }
  EXPECT_EQ(alive, 0);
}

Task<int> One() { co_return 1; }

Task<> Many(int count, int& sum) {
  for (int i = 0; i < count; ++i) {
    Task<int> one = One();
    sum += co_await std::move(one);
  }
}

// g++ makes the transfer a tail call only where it optimises, and never under
// AddressSanitizer: chains of the length of a call's are fine there too.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
constexpr int kChain = 200'000;  // would overflow the stack
#else
constexpr int kChain = 100;
#endif

TEST(TaskTest, ManyAwaitsUseNoStack) {
  int sum = 0;
  Task<> task = Many(kChain, sum);
  task.Start();
  EXPECT_EQ(sum, kChain);
}

Task<> Collect(Mailbox<std::string_view>& inbox, std::vector<std::string>& seen) {
  for (;;) {
    const std::string_view message = co_await inbox.Next();
    seen.emplace_back(message);
    if (message == "stop") co_return;
  }
}

TEST(MailboxTest, AWaitingConsumerReceivesBeforePushReturns) {
  Mailbox<std::string_view> inbox;
  std::vector<std::string> seen;
  Task<> task = Collect(inbox, seen);
  task.Start();
  ASSERT_TRUE(inbox.receives_inline());
  {
    std::string text = "a view into the sender's own";
    inbox.Push(text);
    text = "overwritten";
  }
  EXPECT_EQ(seen, std::vector<std::string>{"a view into the sender's own"});
}

TEST(MailboxTest, QueuesInOrderUntilTheConsumerComes) {
  Mailbox<std::string_view> inbox;
  std::vector<std::string> seen;
  inbox.Push("one");
  inbox.Push("two");
  EXPECT_FALSE(inbox.receives_inline());
  Task<> task = Collect(inbox, seen);
  task.Start();
  inbox.Push("stop");
  EXPECT_EQ(seen, (std::vector<std::string>{"one", "two", "stop"}));
  EXPECT_TRUE(task.done());
}

struct Room {
  Mailbox<int> inbox;
  Task<> task;
};

Task<> DestroyRoom(std::unique_ptr<Room>& room, std::vector<std::unique_ptr<Room>>& grave) {
  co_await room->inbox.Next();
  grave.push_back(std::move(room));
}

TEST(MailboxTest, TheConsumerMayTakeTheMailboxAwayWhileItReceives) {
  std::vector<std::unique_ptr<Room>> grave;
  auto room = std::make_unique<Room>();
  Room& kept = *room;
  kept.task = DestroyRoom(room, grave);
  kept.task.Start();
  kept.inbox.Push(1);
  EXPECT_EQ(room, nullptr);
  EXPECT_EQ(grave.size(), 1u);
}

}  // namespace
}  // namespace sluice

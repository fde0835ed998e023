// The face while its first loop reads callers' sockets, and while that changes
// all the time.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;

class CallerPollFaceTest : public FaceFixture {
 protected:
  void Serve(double messages_per_second, Duration window) {
    SetTables();
    FaceOptions options;
    options.caller_poll.messages_per_second = messages_per_second;
    options.caller_poll.window = window;
    options.caller_poll.open_calls = 1;
    options.drain_timeout = absl::Seconds(2);
    StartFace(options);
  }

  Answer Read(const std::string& model) {
    auto stub = NewStub();
    grpc::ClientContext context;
    return ReadAll(*stub, context, Ask(model));
  }

  // How often the notification thread went to sleep.
  static int64_t NotifierSleeps() {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream comm(task.path() / "comm"), status(task.path() / "status");
      std::string name, line;
      std::getline(comm, name);
      if (name != "sluice-notify-0") continue;
      while (std::getline(status, line)) {
        int64_t count = 0;
        if (line.rfind("voluntary_ctxt_switches:", 0) == 0 &&
            absl::SimpleAtoi(line.substr(line.find(':') + 1), &count)) {
          return count;
        }
      }
    }
    return -1;
  }

  // Sixteen streams, a message every 2 ms each.
  int64_t SleepsUnderLoad() {
    const int64_t before = NotifierSleeps();
    std::vector<std::thread> callers;
    for (int i = 0; i < 16; ++i) {
      callers.emplace_back([this] {
        const Answer answer = Read("slowly:300");
        EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
        EXPECT_EQ(answer.text, Words(300));
      });
    }
    for (auto& caller : callers) caller.join();
    return NotifierSleeps() - before;
  }
};

TEST_F(CallerPollFaceTest, ABusyLoopLetsTheNotificationThreadSleep) {
  Serve(std::numeric_limits<double>::infinity(), absl::Milliseconds(10));
  const int64_t without = SleepsUnderLoad();
  StopFace();
  Serve(500, absl::Milliseconds(10));
  const int64_t with = SleepsUnderLoad();
  EXPECT_LT(with, without / 4) << "of " << without;
}

TEST_F(CallerPollFaceTest, CallsOfEveryKindGoOnWhileTheyChangePlaces) {
  // Any message makes it busy, any pause idle.
  Serve(1, absl::Microseconds(200));
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([this, i] {
      auto stub = NewStub();
      for (int round = 0; round < 20; ++round) {
        grpc::ClientContext context;
        if ((i + round) % 4 == 0) {
          auto reader = stub->StreamChat(&context, Ask("hang"));
          v1::StreamChatResponse response;
          ASSERT_TRUE(reader->Read(&response));
          context.TryCancel();
          EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
        } else if ((i + round) % 4 == 1) {
          v1::ChatResponse response;
          const grpc::Status status = stub->Chat(&context, Ask("words:20"), &response);
          ASSERT_TRUE(status.ok()) << status.error_message();
          EXPECT_EQ(response.choices(0).message().parts(0).text(), Words(20));
        } else {
          const Answer answer = ReadAll(*stub, context, Ask(round % 2 ? "words:200" : "slowly:5"));
          ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
          EXPECT_EQ(answer.text, Words(round % 2 ? 200 : 5));
          EXPECT_TRUE(answer.end_last);
        }
        if (round % 5 == 0) std::this_thread::sleep_for(milliseconds(3));
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_TRUE(Eventually([this] { return figures_.alive == 0; }));
}

TEST_F(CallerPollFaceTest, FewCallsLeaveTheSocketsToTheNotificationThread) {
  SetTables();
  FaceOptions options;
  options.caller_poll.messages_per_second = 1;
  options.caller_poll.open_calls = 64;
  StartFace(options);
  const int64_t few = SleepsUnderLoad();
  StopFace();
  Serve(1, absl::Milliseconds(10));
  EXPECT_LT(SleepsUnderLoad(), few / 4) << "of " << few;
}

TEST_F(CallerPollFaceTest, ANewCallOfAQuietTimeIsTakenWhenTheLoopHadPolled) {
  Serve(1, absl::Microseconds(200));
  EXPECT_EQ(Read("words:100").text, Words(100));
  // No call is open, so the loop sleeps until it is woken.
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Read("words:3").text, Words(3));
}

TEST_F(CallerPollFaceTest, ClosesWhileALoopPolls) {
  Serve(1, absl::Microseconds(200));
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([this] { (void)Read("slowly:100000"); });
  ASSERT_TRUE(Eventually([this] { return figures_.alive == 4; }));
  StopFace();
  for (auto& caller : callers) caller.join();
}

}  // namespace
}  // namespace sluice

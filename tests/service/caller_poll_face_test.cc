// The face while its first loop reads callers' sockets, and while that changes
// all the time.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/service/face_fixture.h"
#include "tests/support/socket_reads.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;

constexpr const char* kLoop = "face-loop-0";
constexpr const char* kNotifier = "sluice-notify-0";

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
    // On a busy machine gRPC 1.51's client now and then takes a connection that is
    // being made for refused, and makes another.
    context.set_wait_for_ready(true);
    return ReadAll(*stub, context, Ask(model));
  }

  // From the first window on until the face is closed, and however slow the
  // machine: no rate is too low, no turn too long, no call too few.
  void ServeWithALoopThatReads() {
    SetTables();
    FaceOptions options;
    options.caller_poll.messages_per_second = 0;
    options.caller_poll.long_turn = absl::InfiniteDuration();
    options.caller_poll.open_calls = 0;
    options.drain_timeout = absl::Seconds(2);
    StartFace(options);
  }

  // Reads of callers' sockets. Callers' own threads, which are of this process
  // too, have other names.
  int64_t Reads(const std::string& thread) {
    const std::map<std::string, int64_t> reads = SocketReads(face_->port());
    const auto found = reads.find(thread);
    return found == reads.end() ? 0 : found->second;
  }

  // Sixteen streams, a message every 2 ms each.
  void Load() {
    std::vector<std::thread> callers;
    for (int i = 0; i < 16; ++i) {
      callers.emplace_back([this] {
        const Answer answer = Read("slowly:100");
        EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
        EXPECT_EQ(answer.text, Words(100));
      });
    }
    for (auto& caller : callers) caller.join();
  }

  // Which thread sees that a socket can be read is chance: callers' threads,
  // which share gRPC's pollers here, see it too.
  bool LoadUntil(const std::string& thread_reads) {
    for (int i = 0; i < 50; ++i) {
      Load();
      if (Reads(thread_reads) > 0) return true;
    }
    return false;
  }
};

TEST_F(CallerPollFaceTest, ABusyLoopReadsAndTheNotificationThreadDoesNot) {
  ServeWithALoopThatReads();
  ASSERT_TRUE(LoadUntil(kLoop));
  const int64_t before = Reads(kNotifier), loops = Reads(kLoop);
  Load();
  EXPECT_EQ(Reads(kNotifier), before);
  EXPECT_GE(Reads(kLoop), loops);
}

TEST_F(CallerPollFaceTest, ALoopThatIsNeverBusyLeavesTheSocketsToTheNotificationThread) {
  Serve(std::numeric_limits<double>::infinity(), absl::Milliseconds(10));
  EXPECT_TRUE(LoadUntil(kNotifier));
  EXPECT_EQ(Reads(kLoop), 0);
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
  options.caller_poll.messages_per_second = 0;
  options.caller_poll.long_turn = absl::InfiniteDuration();
  options.caller_poll.open_calls = 17;  // of one loop; all together are 16
  StartFace(options);
  EXPECT_TRUE(LoadUntil(kNotifier));
  EXPECT_EQ(Reads(kLoop), 0);
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

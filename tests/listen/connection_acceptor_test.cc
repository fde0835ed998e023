// The acceptor with real sockets on loopback, and what it was handed as gRPC would
// have it.
#include "proto/listen/connection_acceptor.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "proto/listen/handed_over.h"

namespace sluice {
namespace {

class Client {
 public:
  Client() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit Client(int port, std::string_view text = {}) : Client() { Connect(port, text); }

  void Connect(int port, std::string_view text = {}) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (!text.empty()) Send(text);
  }
  Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }

  void Send(std::string_view text) { (void)!send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  bool connected() const { return connected_; }
  // Waits for it.
  bool Closed(int milliseconds = 10000) {
    pollfd polled{fd_, POLLIN, 0};
    char byte;
    return poll(&polled, 1, milliseconds) > 0 && recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
};

class Acceptor : public testing::Test {
 protected:
  ~Acceptor() override {
    acceptor_.reset();
    CloseAll();
  }

  void Serve(int64_t callers, AcceptorOptions options = {}) {
    guard_ = std::make_unique<DescriptorGuard>(DescriptorBudget{.limit = 1000, .callers = callers},
                                               [this](const std::string& line) {
                                                 std::lock_guard lock(mutex_);
                                                 log_.push_back(line);
                                               });
    auto listeners = Listen({"127.0.0.1", 0}, 128);
    ASSERT_TRUE(listeners.ok());
    acceptor_ = std::make_unique<ConnectionAcceptor>(*listeners, options, *guard_);
    acceptor_->Start([this](int, int fd) {
      std::lock_guard lock(mutex_);
      handed_.push_back(fd);
    });
  }

  Client Connect(std::string_view text = {}) { return Client(acceptor_->port(), text); }

  template <typename Condition>
  bool Wait(Condition condition) {
    for (int i = 0; i < 10000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  size_t handed() {
    std::lock_guard lock(mutex_);
    return handed_.size();
  }
  std::vector<std::string> log() {
    std::lock_guard lock(mutex_);
    return log_;
  }
  // As gRPC does when a caller is gone.
  void CloseAll() {
    std::lock_guard lock(mutex_);
    for (int fd : handed_) close(fd);
    handed_.clear();
  }

  std::unique_ptr<DescriptorGuard> guard_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;
  std::mutex mutex_;
  std::vector<int> handed_;
  std::vector<std::string> log_;
};

TEST_F(Acceptor, HandsOverWhatHasSentSomethingWithAllOfIt) {
  Serve(10, {.user_timeout = absl::Seconds(7)});
  Client silent = Connect();
  Client early = Connect("PRI");
  ASSERT_TRUE(Wait([&] { return handed() == 1; }));
  char text[8] = {};
  EXPECT_EQ(recv(handed_[0], text, sizeof text, 0), 3);
  EXPECT_STREQ(text, "PRI");
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(handed_[0], IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  EXPECT_NE(value, 0);
  EXPECT_EQ(getsockopt(handed_[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
  EXPECT_EQ(value, 7000);
  EXPECT_EQ(recv(handed_[0], text, sizeof text, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(guard_->callers().in_use(), 2);
  silent.Send("x");
  EXPECT_TRUE(Wait([&] { return handed() == 2; }));
}

TEST_F(Acceptor, ClosesWhatSendsNothingInTime) {
  Serve(10, {.silent_timeout = absl::Milliseconds(20)});
  Client silent = Connect();
  EXPECT_TRUE(silent.Closed());
  EXPECT_TRUE(Wait([&] { return guard_->callers().in_use() == 0; }));
  EXPECT_EQ(guard_->CallerFigures().refused_silent, 1);
  EXPECT_EQ(handed(), 0u);
}

TEST_F(Acceptor, ForgetsWhatLeavesWithoutAWord) {
  Serve(10);
  { Client left = Connect(); }
  EXPECT_TRUE(Wait([&] { return guard_->callers().in_use() == 0; }));
  EXPECT_EQ(handed(), 0u);
}

TEST_F(Acceptor, TheOldestSilentOneGivesWay) {
  Serve(3);
  Client first = Connect(), second = Connect(), third = Connect();
  Client speaks = Connect("PRI");
  EXPECT_TRUE(first.Closed());
  EXPECT_TRUE(Wait([&] { return handed() == 1; }));
  EXPECT_FALSE(second.Closed(0));
  second.Send("PRI");
  EXPECT_TRUE(Wait([&] { return handed() == 2; }));
}

TEST_F(Acceptor, CallersWaitForRoomAndAreServedOnceThereIs) {
  Serve(2, {.max_wait = absl::Minutes(10)});
  Client first = Connect("PRI"), second = Connect("PRI");
  ASSERT_TRUE(Wait([&] { return handed() == 2; }));
  Client waits = Connect("PRI");
  ASSERT_TRUE(Wait([&] { return !guard_->Shortages().empty(); }));
  EXPECT_EQ(log(), std::vector<std::string>{"descriptors: 2 of 2 for callers in use; new callers wait"});
  EXPECT_EQ(guard_->Shortages(), log());
  EXPECT_FALSE(waits.Closed(0));
  CloseAll();
  EXPECT_TRUE(Wait([&] { return handed() == 1; }));
  EXPECT_TRUE(Wait([&] { return log().size() == 2; }));
  EXPECT_TRUE(log()[1].starts_with("descriptors: well again after ")) << log()[1];
  EXPECT_TRUE(log()[1].ends_with(", 0 callers were refused")) << log()[1];
  EXPECT_TRUE(guard_->Shortages().empty());
}

TEST_F(Acceptor, RefusesThoseWhoWaitedTooLong) {
  Serve(1, {.max_wait = absl::Milliseconds(100)});
  Client first = Connect("PRI");
  ASSERT_TRUE(Wait([&] { return handed() == 1; }));
  Client waits = Connect("PRI");
  EXPECT_TRUE(waits.Closed());
  EXPECT_TRUE(Wait([&] { return guard_->CallerFigures().refused_budget == 1; }));
  CloseAll();
  EXPECT_TRUE(Wait([&] { return log().size() == 2; }));
  EXPECT_TRUE(log()[1].ends_with(", 1 caller was refused")) << log()[1];
  Client later = Connect("PRI");
  EXPECT_TRUE(Wait([&] { return handed() == 1; }));
}

// The end of the process's own descriptors.
TEST_F(Acceptor, GoesOnAfterTheSystemHadNoDescriptor) {
  Serve(100, {.max_wait = absl::Minutes(10)});
  Client one, other;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  // What is open stays so; nothing more can be opened.
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  one.Connect(acceptor_->port(), "PRI");
  other.Connect(acceptor_->port(), "PRI");
  EXPECT_TRUE(Wait([&] { return !guard_->Shortages().empty(); }));
  EXPECT_EQ(handed(), 0u);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(one.connected());
  EXPECT_TRUE(Wait([&] { return handed() == 2; }));
  EXPECT_EQ(guard_->CallerFigures().refused_system, 0);
}

TEST_F(Acceptor, StopClosesThePortAndWhatIsSilentAndNothingElse) {
  Serve(10);
  Client silent = Connect(), served = Connect("PRI");
  ASSERT_TRUE(Wait([&] { return handed() == 1 && guard_->callers().in_use() == 2; }));
  const int port = acceptor_->port();
  acceptor_->Stop();
  EXPECT_TRUE(silent.Closed());
  EXPECT_FALSE(served.Closed(0));
  EXPECT_FALSE(Client(port).connected());
  acceptor_->Stop();
}

TEST(HandedOver, KnowsASocketFromAnotherOfItsNumber) {
  HandedOver handed;
  const int first = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(handed.Add(first), 0u);
  EXPECT_EQ(handed.Look(100), 0u);
  close(first);
  const int second = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(second, first);
  EXPECT_EQ(handed.Look(100), 1u);
  EXPECT_EQ(handed.size(), 0u);
  EXPECT_EQ(handed.Add(second), 0u);
  close(second);
  const int third = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(third, second);
  EXPECT_EQ(handed.Add(third), 1u);
  EXPECT_EQ(handed.size(), 1u);
  close(third);
  EXPECT_EQ(handed.Look(100), 1u);
}

TEST(HandedOver, LooksAtAFewAtATimeAndAtAllInTurn) {
  HandedOver handed;
  std::vector<int> fds;
  for (int i = 0; i < 20; ++i) fds.push_back(socket(AF_INET, SOCK_STREAM, 0));
  for (int fd : fds) handed.Add(fd);
  for (int fd : fds) close(fd);
  EXPECT_EQ(handed.Look(5), 5u);
  EXPECT_EQ(handed.Look(5), 5u);
  EXPECT_EQ(handed.Look(100), 10u);
  EXPECT_EQ(handed.Look(100), 0u);
}

}  // namespace
}  // namespace sluice

// Connecting to an address without libcurl: at once on this host, later elsewhere.
#include "server/upstream/direct_connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;

// A listener whose queue is full: who connects hears nothing until there is
// room. Room() lets in whoever asks again.
class FullListener {
 public:
  FullListener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address_);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(bind(fd_, raw, size), 0);
    EXPECT_EQ(listen(fd_, 0), 0);
    EXPECT_EQ(getsockname(fd_, raw, &size), 0);
    for (int i = 0; i < 3; ++i) {
      fillers_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      connect(fillers_.back(), raw, size);
    }
  }
  ~FullListener() {
    for (int fd : fillers_) close(fd);
    close(fd_);
  }

  uint16_t port() const { return ntohs(address_.sin_port); }
  void Room() { fillers_.push_back(accept(fd_, nullptr, nullptr)); }

 private:
  const int fd_;
  sockaddr_in address_{};
  std::vector<int> fillers_;
};

class DirectConnectTest : public TransportTest {
 protected:
  ConnectStart Connect(std::shared_ptr<HttpEndpoint> endpoint, Duration max_time = absl::Seconds(5)) {
    const SocketAddress address(*endpoint);
    EXPECT_TRUE(DirectConnect::Fits(*endpoint, address));
    return DirectConnect::Start(loop_, endpoint, address, max_time, [this](ConnectResult result) {
      ++told_;
      result_ = std::move(result);
    });
  }
  static int Option(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    getsockopt(fd, level, name, &value, &size);
    return value;
  }

  ConnectResult result_;
  int told_ = 0;
};

TEST_F(DirectConnectTest, OnThisHostTheConnectionIsThereAtOnce) {
  ScriptedServer server({AwaitClose()});
  ConnectStart start = Connect(Endpoint(server.port()));
  ASSERT_NE(start.connection, nullptr);
  EXPECT_EQ(start.attempt, nullptr);
  const int fd = start.connection->fd();
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_TRUE(start.connection->Quiet()) << "it must not block";
  RunFor(absl::Milliseconds(5));
  EXPECT_EQ(told_, 0);
}

TEST_F(DirectConnectTest, ARefusalIsToldInALaterTurn) {
  const uint16_t port = UnusedPort();
  ConnectStart start = Connect(Endpoint(port));
  EXPECT_EQ(start.connection, nullptr);
  EXPECT_EQ(told_, 0);
  ASSERT_TRUE(RunUntil([&] { return told_ == 1; }));
  EXPECT_EQ(result_.connection, nullptr);
  EXPECT_EQ(result_.error, "connection refused by 127.0.0.1:" + std::to_string(port));
}

TEST_F(DirectConnectTest, AnAddressThatCannotBeReachedIsNamedWithTheReason) {
  auto endpoint = Endpoint(80);
  endpoint->host = "255.255.255.255";  // no TCP to all
  ConnectStart start = Connect(endpoint);
  EXPECT_EQ(told_, 0);
  ASSERT_TRUE(RunUntil([&] { return told_ == 1; }));
  EXPECT_THAT(result_.error, AnyOf("cannot connect to 255.255.255.255:80: network is unreachable",
                                   "cannot connect to 255.255.255.255:80: permission denied"));
}

TEST_F(DirectConnectTest, WhoDoesNotAnswerTakesTooLong) {
  FullListener listener;
  ConnectStart start = Connect(Endpoint(listener.port()), absl::Milliseconds(30));
  ASSERT_NE(start.attempt, nullptr);
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(told_, 0);
  ASSERT_TRUE(RunUntil([&] { return told_ == 1; }));
  EXPECT_EQ(result_.error, "connecting to 127.0.0.1:" + std::to_string(listener.port()) + " took too long");
}

TEST_F(DirectConnectTest, AnAnswerThatComesLaterMakesTheConnection) {
  FullListener listener;
  ConnectStart start = Connect(Endpoint(listener.port()));
  ASSERT_NE(start.attempt, nullptr);
  RunFor(absl::Milliseconds(10));
  listener.Room();
  listener.Room();
  // The kernel asks again after a second.
  ASSERT_TRUE(RunUntil([&] { return told_ == 1; }));
  ASSERT_NE(result_.connection, nullptr) << result_.error;
  EXPECT_TRUE(result_.connection->Quiet());
}

TEST_F(DirectConnectTest, GivingUpClosesAndTellsNothing) {
  FullListener listener;
  const int next_fd = dup(0);
  close(next_fd);
  ConnectStart start = Connect(Endpoint(listener.port()), absl::Milliseconds(20));
  ConnectStart refused = Connect(Endpoint(UnusedPort()));
  start.attempt.reset();
  refused.attempt.reset();
  EXPECT_EQ(fcntl(next_fd, F_GETFD), -1) << "the descriptor is still open";
  RunFor(absl::Milliseconds(40));
  EXPECT_EQ(told_, 0);
}

TEST_F(DirectConnectTest, ManyAtOnceAllConnect) {
  constexpr int kMany = 200;
  ScriptedServer server(std::vector<Script>(kMany, Script{Respond(kOk), AwaitClose()}));
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kMany; ++i) calls.push_back(Start(Endpoint(server.port())));
  EXPECT_TRUE(RunUntil([&] {
    for (auto& call : calls) {
      if (!call->heard.done) return false;
    }
    return true;
  }));
  for (auto& call : calls) EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(Stats().connects, uint64_t{kMany});
}

TEST_F(DirectConnectTest, TheRequestIsSentWithinStart) {
  ScriptedServer server({Respond(kOk), AwaitClose()});
  auto call = Start(Endpoint(server.port()));
  EXPECT_TRUE(call->exchange->sent_at_start());
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.requests() == 1; }));
  EXPECT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_EQ(Stats().connects, 1u);
  EXPECT_EQ(Stats().reuses, 0u);
}

TEST_F(DirectConnectTest, GivingUpACallThatConnectsFreesItsPlace) {
  FullListener listener;
  auto endpoint = Endpoint(listener.port());
  endpoint->pool.max_open = 1;
  auto call = Start(endpoint);
  EXPECT_FALSE(call->exchange->sent_at_start());
  RunFor(absl::Milliseconds(5));
  EXPECT_FALSE(call->heard.done);
  EXPECT_EQ(Stats().open, 1u);
  call.reset();
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(DirectConnectTest, IPv6AddressesAreConnectedTo) {
  const int listener = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  socklen_t size = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    GTEST_SKIP() << "no IPv6 on this host";
  }
  listen(listener, 1);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  auto endpoint = Endpoint(ntohs(address.sin6_port));
  endpoint->host = "::1";
  EXPECT_NE(Connect(endpoint).connection, nullptr);
  close(listener);
  ConnectStart refused = Connect(endpoint);
  ASSERT_TRUE(RunUntil([&] { return told_ == 1; }));
  EXPECT_EQ(result_.error, "connection refused by [::1]:" + std::to_string(endpoint->port));
}

TEST_F(DirectConnectTest, NamesProxiesAndTlsAreLeftToLibcurl) {
  const auto fits = [](const HttpEndpoint& endpoint) {
    return DirectConnect::Fits(endpoint, SocketAddress(endpoint));
  };
  const HttpEndpoint plain = *Endpoint(80);
  EXPECT_TRUE(fits(plain));
  HttpEndpoint tls = plain;
  tls.tls = true;
  EXPECT_FALSE(fits(tls));
  HttpEndpoint proxied = plain;
  proxied.proxy = "http://127.0.0.1:3128";
  EXPECT_FALSE(fits(proxied));
  for (const char* name : {"localhost", "127.1", "fe80::1%lo", "127.0.0.1.example.com", ""}) {
    HttpEndpoint named = plain;
    named.host = name;
    EXPECT_FALSE(fits(named)) << name;
  }
}

}  // namespace
}  // namespace sluice

#include "proto/listen/listen_address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"

namespace sluice {
namespace {

void CloseAll(const Listeners& listeners) {
  for (int fd : listeners.fds) close(fd);
}

struct Written {
  const char* text;
  const char* host;
  int port;
};

class GoodAddressTest : public testing::TestWithParam<Written> {};

TEST_P(GoodAddressTest, IsReadAndWrittenBack) {
  const auto address = ParseListenAddress(GetParam().text);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
  EXPECT_EQ(address->ToString(), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(Forms, GoodAddressTest,
                         testing::Values(Written{"127.0.0.1:8443", "127.0.0.1", 8443}, Written{"[::1]:0", "::1", 0},
                                         Written{"localhost:65535", "localhost", 65535},
                                         Written{"[::]:9464", "::", 9464}));

class BadAddressTest : public testing::TestWithParam<const char*> {};

TEST_P(BadAddressTest, IsToldWithWhatWouldBeRight) {
  const auto address = ParseListenAddress(GetParam());
  ASSERT_FALSE(address.ok());
  EXPECT_EQ(address.status().message(),
            std::string("\"") + GetParam() + "\" is not HOST:PORT, like 127.0.0.1:8443 or [::1]:8443");
}

INSTANTIATE_TEST_SUITE_P(Forms, BadAddressTest,
                         testing::Values("", "8443", ":8443", "localhost", "localhost:", "localhost:65536", "::1:80",
                                         "localhost:80s", "localhost:80,81", "a b:80", "http://x:80", "x:-1"));

TEST(IsLoopbackTest, KnowsWhatOnlyThisMachineReaches) {
  EXPECT_TRUE(IsLoopback({"127.0.0.1", 1}));
  EXPECT_TRUE(IsLoopback({"127.9.9.9", 1}));
  EXPECT_TRUE(IsLoopback({"::1", 1}));
  EXPECT_TRUE(IsLoopback({"localhost", 1}));
  EXPECT_FALSE(IsLoopback({"0.0.0.0", 1}));
  EXPECT_FALSE(IsLoopback({"::", 1}));
  EXPECT_FALSE(IsLoopback({"192.0.2.1", 1}));
}

TEST(ListenTest, TakesAFreePortAndSaysWhich) {
  const auto listeners = Listen({"127.0.0.1", 0}, 16);
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  absl::Cleanup close_all = [&] { CloseAll(*listeners); };
  EXPECT_EQ(listeners->fds.size(), 1u);
  EXPECT_NE(listeners->port, 0);
}

TEST(ListenTest, AllAddressesOfANameShareThePort) {
  const auto listeners = Listen({"localhost", 0}, 16);
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  absl::Cleanup close_all = [&] { CloseAll(*listeners); };
  EXPECT_GE(listeners->fds.size(), 1u);
  EXPECT_NE(listeners->port, 0);
}

TEST(ListenTest, APortThatIsTakenIsRefusedWithTheReason) {
  const auto first = Listen({"127.0.0.1", 0}, 16);
  ASSERT_TRUE(first.ok());
  absl::Cleanup close_all = [&] { CloseAll(*first); };
  const auto second = Listen({"127.0.0.1", first->port}, 16);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(),
            "cannot listen on 127.0.0.1:" + std::to_string(first->port) + ": Address already in use");
}

TEST(ListenTest, AnAddressOfAnotherMachineIsRefused) {
  const auto listeners = Listen({"192.0.2.1", 0}, 16);
  ASSERT_FALSE(listeners.ok());
  EXPECT_EQ(listeners.status().message(), "cannot listen on 192.0.2.1:0: it is no address of this machine");
}

}  // namespace
}  // namespace sluice

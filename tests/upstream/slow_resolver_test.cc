// A resolver that hangs must not hang the loop, not even when the call is given
// up. This program's getaddrinfo stands before the system's.
#include <netdb.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "tests/upstream/transport_harness.h"

namespace {
constexpr auto kResolverDelay = std::chrono::milliseconds(700);
std::atomic<int> asked{0};
}  // namespace

extern "C" int getaddrinfo(const char* host, const char*, const addrinfo*, addrinfo**) {
  if (host != nullptr && std::string_view(host) == "slow.example.com") {
    ++asked;
    std::this_thread::sleep_for(kResolverDelay);
  }
  return EAI_NONAME;
}

namespace sluice {
namespace {

class SlowResolverTest : public TransportTest {};

TEST_F(SlowResolverTest, GivingUpWhileANameIsResolvedDoesNotBlockTheLoop) {
  auto endpoint = Endpoint(80);
  endpoint->host = "slow.example.com";
  auto call = Start(endpoint);
  ASSERT_TRUE(RunUntil([&] { return asked == 1; }));
  const auto before = std::chrono::steady_clock::now();
  call.reset();
  RunFor(absl::Milliseconds(5));
  EXPECT_LT(std::chrono::steady_clock::now() - before, kResolverDelay / 2);
  // The resolver's thread ends before the process does.
  std::this_thread::sleep_for(kResolverDelay + std::chrono::milliseconds(50));
}

TEST_F(SlowResolverTest, TheFailureIsHeardWhenTheResolverIsDone) {
  auto endpoint = Endpoint(80);
  endpoint->host = "slow.example.com";
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.message, "the name \"slow.example.com\" cannot be resolved");
}

}  // namespace
}  // namespace sluice

// A resolver that hangs must not hang the loop, not even when the call is given
// up. This program's getaddrinfo stands before the system's.
#include <netdb.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "tests/upstream/transport_harness.h"

namespace {
std::atomic<int> asked{0};
std::atomic<int> answered{0};
std::atomic<bool> may_answer{false};
}  // namespace

extern "C" int getaddrinfo(const char* host, const char*, const addrinfo*, addrinfo**) {
  if (host != nullptr && std::string_view(host) == "slow.example.com") {
    ++asked;
    // Not for ever: a loop that waits for it would never say so.
    for (int i = 0; i < 1000 && !may_answer; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ++answered;
  }
  return EAI_NONAME;
}

namespace sluice {
namespace {

class SlowResolverTest : public TransportTest {};

TEST_F(SlowResolverTest, GivingUpWhileANameIsResolvedDoesNotBlockTheLoop) {
  asked = answered = 0;
  may_answer = false;
  auto endpoint = Endpoint(80);
  endpoint->host = "slow.example.com";
  auto call = Start(endpoint);
  ASSERT_TRUE(RunUntil([&] { return asked == 1; }));
  call.reset();
  RunFor(absl::Milliseconds(5));
  EXPECT_EQ(answered, 0) << "the loop waited for the resolver";
  // The resolver's thread ends before the process does.
  may_answer = true;
  EXPECT_TRUE(RunUntil([&] { return answered == 1; }));
}

TEST_F(SlowResolverTest, TheFailureIsHeardWhenTheResolverIsDone) {
  may_answer = true;
  auto endpoint = Endpoint(80);
  endpoint->host = "slow.example.com";
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.message, "the name \"slow.example.com\" cannot be resolved");
}

}  // namespace
}  // namespace sluice

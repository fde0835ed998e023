// Upstream connections where the process has few descriptors for them.
#include <sys/resource.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr char kHang[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

class DescriptorShareTest : public TransportTest {
 protected:
  DescriptorShareTest() {
    transport_ = std::make_unique<PooledHttpTransport>(loop_, options_, std::make_shared<PoolRegistry>(guard_));
  }

  std::shared_ptr<DescriptorGuard> guard_ =
      std::make_shared<DescriptorGuard>(DescriptorBudget{.limit = 100, .callers = 10, .upstreams = 2});
};

TEST_F(DescriptorShareTest, OneTooManyIsRefusedByNameAndHasRoomWhenAnotherEnds) {
  ScriptedServer server({Respond(kHang), AwaitClose()});
  auto endpoint = Endpoint(server.port());
  auto one = Start(endpoint), two = Start(endpoint);
  auto third = Run(endpoint);
  EXPECT_EQ(third->heard.failure, HttpFailure::kNoDescriptor);
  EXPECT_EQ(third->heard.message, "no file descriptor is left for a connection to http://127.0.0.1:" +
                                      std::to_string(server.port()) +
                                      ": all 2 for upstream connections are in use, of 100 (ulimit -n)");
  EXPECT_EQ(guard_->UpstreamFigures().refused_budget, 1);
  EXPECT_EQ(Stats().connect_failures, 0u);
  one->exchange.reset();
  auto fourth = Start(endpoint);
  EXPECT_TRUE(RunUntil([&] { return !fourth->heard.events.empty(); }));
  EXPECT_FALSE(fourth->heard.done);
  fourth->exchange.reset();
  two->exchange.reset();
  EXPECT_EQ(guard_->upstreams().in_use(), 0);
}

TEST_F(DescriptorShareTest, IdleConnectionsOfAnotherEndpointGiveWay) {
  ScriptedServer first({RespondForever(kOk)}), second({Respond(kHang), AwaitClose()});
  auto one = Start(Endpoint(first.port())), two = Start(Endpoint(first.port()));
  ASSERT_TRUE(RunUntil([&] { return one->heard.done && two->heard.done; }));
  EXPECT_EQ(guard_->upstreams().in_use(), 2);
  auto three = Start(Endpoint(second.port())), four = Start(Endpoint(second.port()));
  ASSERT_TRUE(RunUntil([&] { return !three->heard.events.empty() && !four->heard.events.empty(); }));
  EXPECT_FALSE(three->heard.done) << three->heard.message;
  EXPECT_FALSE(four->heard.done) << four->heard.message;
  EXPECT_EQ(guard_->upstreams().in_use(), 2);
  EXPECT_EQ(guard_->UpstreamFigures().refused_budget, 0);
}

TEST_F(DescriptorShareTest, APoolThatIsFullIsNoShortage) {
  ScriptedServer server({Respond(kHang), AwaitClose()});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.max_open = 1;
  auto one = Start(endpoint);
  EXPECT_EQ(Run(endpoint)->heard.failure, HttpFailure::kPoolFull);
  EXPECT_EQ(guard_->UpstreamFigures().refused_budget, 0);
}

// By address, and by name over libcurl.
class NoDescriptorTest : public DescriptorShareTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(NoDescriptorTest, IsNoFaultOfTheUpstreams) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->host = GetParam();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  // What has begun keeps its descriptors: only new ones are refused.
  rlimit none{3, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto call = Run(endpoint);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(call->heard.failure, HttpFailure::kNoDescriptor) << call->heard.message;
  EXPECT_THAT(call->heard.message, HasSubstr("no file descriptor is left for a connection to http://" + GetParam()));
  EXPECT_EQ(guard_->UpstreamFigures().refused_system, 1);
  EXPECT_EQ(Stats().connect_failures, 0u);
  EXPECT_EQ(guard_->upstreams().in_use(), 0);
  EXPECT_TRUE(Run(endpoint)->heard.ended());
}

INSTANTIATE_TEST_SUITE_P(Hosts, NoDescriptorTest, ::testing::Values("127.0.0.1", "localhost"),
                         [](const auto& info) { return info.param == "localhost" ? "Name" : "Address"; });

}  // namespace
}  // namespace sluice

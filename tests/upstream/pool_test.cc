// Row D7: how many connections there are, how long they live, and what happens
// when one of them is dead.
#include <arpa/inet.h>
#include <sys/socket.h>

#include "gmock/gmock.h"
#include "proto/tls/pem.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PoolTest : public TransportTest {};

constexpr char kHang[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(PoolTest, ReusesAConnectionThatTheResponseLeftClean) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Run(endpoint)->heard.events, ElementsAre("reused", "head 200", "body", "end"));
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(Stats().connects, 1u);
  EXPECT_EQ(Stats().reuses, 3u);
  EXPECT_EQ(Stats().idle, 1u);
  EXPECT_EQ(Stats().endpoint, "http://127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(PoolTest, TheNextRequestCanHaveTheConnectionFromWithinOnEnd) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  Call first, second;
  first.heard.on_event = [&](const std::string& event) {
    if (event == "end") second.Start(*transport_, Request(endpoint));
  };
  first.exchange = transport_->Start(Request(endpoint), &first.heard);
  ASSERT_TRUE(RunUntil([&] { return second.heard.done; }));
  EXPECT_EQ(second.heard.events[0], "reused");
}

// Responses after which the connection must not carry another request.
class NotReusedTest : public TransportTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(NotReusedTest, IsClosed) {
  ScriptedServer server({Respond(GetParam()), AwaitClose()});
  EXPECT_TRUE(Run(Endpoint(server.port()))->heard.ended());
  EXPECT_EQ(Stats().open, 0u);
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
}

INSTANTIATE_TEST_SUITE_P(
    Responses, NotReusedTest,
    ::testing::Values("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"));

TEST_F(PoolTest, ADeadIdleConnectionIsClosedAtOnce) {
  ScriptedServer server({Respond(kOk), AwaitRelease(), CloseNow()});
  Run(Endpoint(server.port()));
  EXPECT_EQ(Stats().idle, 1u);
  server.Release();
  EXPECT_TRUE(RunUntil([&] { return Stats().open == 0; }));
  EXPECT_EQ(Stats().dead, 1u);
}

TEST_F(PoolTest, ADeadConnectionIsReplacedAndTheUpstreamSeesOneRequest) {
  ScriptedServer server(std::vector<Script>{{Respond(kOk), AwaitRelease(), CloseNow()},
                                            {RespondForever(kOk)}});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  server.Release();
  // The loop does not turn, so that it has not noticed when the call starts.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(Stats().idle, 1u);
  auto call = Run(endpoint);
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(server.requests(), 2);
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(Stats().dead, 1u);
}

// What a connection is like that broke between the look at it and the sending:
// nothing is there to read, and nothing can be written.
void BreakSendingTo(uint16_t port) {
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_port == htons(port)) {
      shutdown(fd, SHUT_WR);
    }
  }
}

TEST_F(PoolTest, APooledConnectionTakesTheRequestAtOnceAndStaysWatched) {
  ScriptedServer server({Respond(kOk), Respond(kOk), AwaitRelease(), CloseNow()});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  auto call = Start(endpoint);
  EXPECT_TRUE(call->exchange->sent_at_start());
  // The request is there before this loop turns again.
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.requests() == 2; }));
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_EQ(Stats().reuses, 1u);
  server.Release();
  EXPECT_TRUE(RunUntil([&] { return Stats().open == 0; }));
  EXPECT_EQ(Stats().dead, 1u);
}

TEST_F(PoolTest, AConnectionThatDiesBetweenTakingAndSendingIsReplaced) {
  ScriptedServer server(std::vector<Script>{{Respond(kOk), AwaitRelease(), ResetNow()},
                                            {RespondForever(kOk)}});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  BreakSendingTo(server.port());
  auto call = Start(endpoint);
  EXPECT_EQ(Stats().dead, 1u);
  EXPECT_EQ(Stats().reuses, 0u);
  EXPECT_EQ(Stats().idle, 0u);
  server.Release();
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(server.requests(), 2);
}

TEST_F(PoolTest, ARequestThatArrivedIsNeverSentAgain) {
  ScriptedServer server(std::vector<Script>{{Respond(kOk), ReadRequest(), CloseNow()},
                                            {RespondForever(kOk)}});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.failure, HttpFailure::kReset);
  EXPECT_THAT(call->heard.message, HasSubstr("(it was reused)"));
  EXPECT_THAT(call->heard.events, ElementsAre("reused", "failure"));
  EXPECT_EQ(server.requests(), 2);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PoolTest, RowD7MaxOpenRefusesAtOnce) {
  ScriptedServer server({Respond(kHang), AwaitClose()});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.max_open = 2;
  auto first = Start(endpoint);
  auto second = Start(endpoint);
  auto third = Run(endpoint);
  EXPECT_EQ(third->heard.failure, HttpFailure::kPoolFull);
  EXPECT_EQ(third->heard.message, "all 2 connections to http://127.0.0.1:" +
                                      std::to_string(server.port()) +
                                      " are busy (pool max_open)");
  first.reset();
  auto fourth = Start(endpoint);
  EXPECT_TRUE(RunUntil([&] { return fourth->heard.events.size() == 2; }));
  EXPECT_EQ(Stats().refused, 1u);
}

TEST_F(PoolTest, RowD7MaxIdleClosesTheOneUsedLongestAgo) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.max_idle = 1;
  auto first = Start(endpoint);
  auto second = Start(endpoint);
  ASSERT_TRUE(RunUntil([&] { return first->heard.done && second->heard.done; }));
  EXPECT_EQ(Stats().idle, 1u);
  EXPECT_EQ(Stats().open, 1u);
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
}

TEST_F(PoolTest, RowD7IdleConnectionsAreClosedAfterTheirTime) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.max_idle_time = absl::Milliseconds(30);
  Run(endpoint);
  EXPECT_EQ(Stats().idle, 1u);
  EXPECT_TRUE(RunUntil([&] { return Stats().open == 0; }));
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
}

TEST_F(PoolTest, RowD7ConnectionsAreNotReusedPastTheirLifetime) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->pool.max_lifetime = absl::Milliseconds(50);
  Run(endpoint);
  const TimePoint end = loop_.Now() + absl::Milliseconds(60);
  while (loop_.Now() < end) Run(endpoint);
  EXPECT_GE(server.connections(), 2);
}

TEST_F(PoolTest, NewLimitsApplyToConnectionsThatAreThere) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  Run(endpoint);
  auto shorter = std::make_shared<HttpEndpoint>(*endpoint);
  shorter->pool.max_idle_time = absl::Milliseconds(10);
  transport_->Adopt(*shorter);
  EXPECT_TRUE(RunUntil([&] { return Stats().open == 0; }));
}

TEST_F(PoolTest, ADrainingEndpointKeepsNoIdleConnection) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  auto idle = Start(endpoint);
  auto busy = Start(endpoint);
  ASSERT_TRUE(RunUntil([&] { return idle->heard.done && busy->heard.done; }));
  EXPECT_EQ(Stats().idle, 2u);
  auto again = Start(endpoint);
  auto draining = std::make_shared<HttpEndpoint>(*endpoint);
  draining->keep_idle = false;
  transport_->Adopt(*draining);
  EXPECT_EQ(Stats().idle, 0u);
  ASSERT_TRUE(RunUntil([&] { return again->heard.done; }));
  EXPECT_TRUE(again->heard.ended()) << "a call under way is not disturbed";
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(PoolTest, UnusedPoolsAreForgotten) {
  options_.forget_pool_after = absl::ZeroDuration();
  transport_ = std::make_unique<PooledHttpTransport>(loop_, options_);
  for (int i = 0; i < 5; ++i) {
    Run(Endpoint(UnusedPort()));
    RunFor(absl::Milliseconds(2));
  }
  EXPECT_LE(transport_->Stats().size(), 2u);
}

constexpr char kSomeAuthority[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdTCCARugAwIBAgIURb+FsjMUHm07NgwGQ8YMkTkEfpQwCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEc29tZTAgFw0yNjExMjgxNTQ2MzJaGA8yMTI2MTEwNDE1NDYz\n"
    "MlowDzENMAsGA1UEAwwEc29tZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPmS\n"
    "oAsLPZvdSuuORzfXCap3y2KtGUhw9fqqyMnMID7E0MpmT0NsbgI3Dxha7rKiCdRn\n"
    "LbAf5RMBf11R9AK3JbWjUzBRMB0GA1UdDgQWBBQ+plbelFgTJKDhIDly+km9f+vA\n"
    "RDAfBgNVHSMEGDAWgBQ+plbelFgTJKDhIDly+km9f+vARDAPBgNVHRMBAf8EBTAD\n"
    "AQH/MAoGCCqGSM49BAMCA0gAMEUCIQDwKGpBzVjF/anSRP7IciMhS1N1Bz0gVjQ6\n"
    "3ZzS6YPIBwIgY/XM/qB289mZ8fyPssTjJUl23YIknbzNaT5AnjJqnxM=\n"
    "-----END CERTIFICATE-----\n";

TEST(PoolKeyTest, TellsApartWhatMayNotShareAConnection) {
  HttpEndpoint plain;
  plain.host = "a";
  plain.port = 443;
  HttpEndpoint tls = plain;
  tls.tls = true;
  HttpEndpoint named = tls;
  named.server_name = "b";
  HttpEndpoint trusting = tls;
  trusting.authorities = Authorities::FromPem(kSomeAuthority).value();
  HttpEndpoint proxied = tls;
  proxied.proxy = "http://p:1";
  const std::vector<HttpEndpoint> all = {plain, tls, named, trusting, proxied};
  for (const HttpEndpoint& one : all) {
    for (const HttpEndpoint& other : all) {
      EXPECT_EQ(one.PoolKey() == other.PoolKey(), &one == &other);
    }
  }
  HttpEndpoint elsewhere = tls;
  elsewhere.base_path = "/v2";
  elsewhere.pool.max_open = 1;
  EXPECT_EQ(elsewhere.PoolKey(), tls.PoolKey());
}

}  // namespace
}  // namespace sluice

// One request and its response, against an upstream that behaves and many that
// do not.
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ExchangeTest : public TransportTest {};

TEST_F(ExchangeTest, StreamsAChunkedBody) {
  ScriptedServer server({Respond(kChunked), AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(call->heard.body, "hello world");
  EXPECT_EQ(call->heard.content_type, "text/event-stream");
  EXPECT_EQ(server.last_request(),
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:" +
                std::to_string(server.port()) +
                "\r\nContent-Type: application/json\r\nUser-Agent: sluice/" SLUICE_VERSION
                "\r\nAccept-Encoding: identity\r\nContent-Length: 15\r\n\r\n{\"stream\":true}");
}

TEST_F(ExchangeTest, ARequestMayNameAnotherUserAgent) {
  ScriptedServer server({Respond(kOk), AwaitClose()});
  HttpRequest request = Request(Endpoint(server.port()));
  request.headers.push_back({"user-agent", "edge/1"});
  Call call;
  call.Start(*transport_, std::move(request));
  ASSERT_TRUE(RunUntil([&] { return call.heard.done; }));
  EXPECT_THAT(server.last_request(), HasSubstr("\r\nuser-agent: edge/1\r\n"));
  EXPECT_THAT(server.last_request(), Not(HasSubstr("sluice/")));
}

TEST_F(ExchangeTest, ReadsABodyThatEndsWithTheConnection) {
  ScriptedServer server({Respond("HTTP/1.1 200 OK\r\n\r\nuntil the end"), CloseNow()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_TRUE(call->heard.ended());
  EXPECT_EQ(call->heard.body, "until the end");
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(ExchangeTest, SkipsInformationalResponses) {
  ScriptedServer server({Respond(std::string("HTTP/1.1 100 Continue\r\n\r\n"
                                             "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") +
                                 kOk),
                         AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
}

TEST_F(ExchangeTest, ReadsATrickle) {
  ScriptedServer server({ReadRequest(), Trickle(kChunked), AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(call->heard.body, "hello world");
}

TEST_F(ExchangeTest, SendsALargeBodyInPartsAndWhole) {
  ScriptedServer server({AwaitRelease(), Respond(kOk), AwaitClose()});
  const std::string body(8 * 1024 * 1024, 'b');
  auto call = Start(Endpoint(server.port()), body);
  ASSERT_TRUE(RunUntil([&] { return !call->heard.events.empty(); }));
  RunFor(absl::Milliseconds(20));
  server.Release();
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_TRUE(call->heard.ended()) << call->heard.message;
  EXPECT_GT(server.last_request().size(), body.size());
  EXPECT_EQ(server.last_request().substr(server.last_request().size() - body.size()), body);
}

TEST_F(ExchangeTest, HearsARefusalThatComesBeforeTheRequestIsWhollySent) {
  ScriptedServer server(
      {Write("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge"), AwaitRelease()});
  auto call = Start(Endpoint(server.port()), std::string(32 * 1024 * 1024, 'b'));
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 413", "body", "end"));
  EXPECT_EQ(call->heard.body, "large");
  EXPECT_EQ(Stats().idle, 0u) << "half a request is on it";
}

TEST_F(ExchangeTest, NamesWhoRefusedTheConnection) {
  const uint16_t port = UnusedPort();
  auto call = Run(Endpoint(port));
  EXPECT_THAT(call->heard.events, ElementsAre("failure"));
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_EQ(call->heard.message, "connection refused by 127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(Stats().connect_failures, 1u);
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(ExchangeTest, ConnectsToANameThroughLibcurl) {
  ScriptedServer server({Respond(kChunked), AwaitClose()});
  auto endpoint = Endpoint(server.port());
  endpoint->host = "localhost";
  auto call = Start(endpoint);
  EXPECT_FALSE(call->exchange->sent_at_start());
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
}

TEST_F(ExchangeTest, NamesWhoRefusedTheConnectionToAName) {
  auto endpoint = Endpoint(UnusedPort());
  endpoint->host = "localhost";
  EXPECT_EQ(Run(endpoint)->heard.message,
            "connection refused by localhost:" + std::to_string(endpoint->port));
}

TEST_F(ExchangeTest, NamesTheHostThatDoesNotResolve) {
  auto endpoint = Endpoint(80);
  endpoint->host = "no-such-host.invalid";
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_EQ(call->heard.message, "the name \"no-such-host.invalid\" cannot be resolved");
}

TEST_F(ExchangeTest, RefusesAHeaderThatWouldSmuggleAnother) {
  HttpRequest request = Request(Endpoint(UnusedPort()));
  request.headers.push_back({"X-Tenant", "a\r\nAuthorization: b"});
  Call call;
  call.exchange = transport_->Start(std::move(request), &call.heard);
  ASSERT_TRUE(RunUntil([&] { return call.heard.done; }));
  EXPECT_EQ(call.heard.failure, HttpFailure::kProtocol);
  EXPECT_THAT(call.heard.message, HasSubstr("\"X-Tenant\""));
}

TEST_F(ExchangeTest, CancellingClosesTheConnectionAtOnce) {
  ScriptedServer server({Respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                         AwaitClose()});
  auto call = Start(Endpoint(server.port()));
  ASSERT_TRUE(RunUntil([&] { return call->heard.events.size() == 2; }));
  call->exchange.reset();
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(ExchangeTest, CancellingWhileConnectingFreesThePlace) {
  // An address that answers nothing (RFC 5737).
  auto endpoint = Endpoint(1);
  endpoint->host = "192.0.2.1";
  endpoint->pool.max_open = 1;
  auto call = Start(endpoint);
  EXPECT_EQ(Stats().open, 1u);
  RunFor(absl::Milliseconds(5));
  call.reset();
  EXPECT_EQ(Stats().open, 0u);
}

TEST_F(ExchangeTest, PauseStopsReadingAndResumeLosesNothing) {
  constexpr size_t kBody = 64 * 1024 * 1024;
  ScriptedServer server(
      {Flood("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n", kBody),
       AwaitClose()});
  auto call = std::make_unique<Call>();
  size_t received = 0;
  size_t pieces_while_paused = 0;
  bool paused = false;
  call->heard.on_event = [&](const std::string& event) {
    if (event != "body") return;
    if (paused) ++pieces_while_paused;
    received += call->heard.body.size();
    call->heard.body.clear();
    if (received > 1024 * 1024 && !paused) {
      paused = true;
      call->exchange->Pause();
    }
  };
  call->exchange = transport_->Start(Request(Endpoint(server.port())), &call->heard);
  ASSERT_TRUE(RunUntil([&] { return paused; }));
  // Until the kernel's buffers, which grow for a while, are full.
  size_t written = 0;
  while (std::exchange(written, server.bytes_written()) != written) {
    RunFor(absl::Milliseconds(100));
  }
  EXPECT_LT(written, kBody / 2) << "the upstream should be blocked";
  EXPECT_EQ(pieces_while_paused, 0u);

  call->heard.on_event = [&](const std::string&) {
    received += call->heard.body.size();
    call->heard.body.clear();
  };
  call->exchange->Resume();
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_TRUE(call->heard.ended());
  EXPECT_EQ(received, kBody);
}

TEST_F(ExchangeTest, PausingInTheLastPieceHoldsTheEndBack) {
  ScriptedServer server({Respond(kChunked), AwaitClose()});
  auto call = std::make_unique<Call>();
  call->heard.on_event = [&](const std::string& event) {
    if (event == "body") call->exchange->Pause();
  };
  call->exchange = transport_->Start(Request(Endpoint(server.port())), &call->heard);
  ASSERT_TRUE(RunUntil([&] { return call->heard.body == "hello "; }));
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(call->heard.body, "hello ");
  call->exchange->Resume();
  EXPECT_EQ(call->heard.body, "hello ") << "an observer was called from within Resume";
  ASSERT_TRUE(RunUntil([&] { return call->heard.body == "hello world"; }));
  RunFor(absl::Milliseconds(10));
  EXPECT_FALSE(call->heard.done);
  call->exchange->Resume();
  EXPECT_TRUE(RunUntil([&] { return call->heard.ended(); }));
}

TEST_F(ExchangeTest, OneFloodDoesNotStarveTheOthers) {
  constexpr size_t kBody = 256 * 1024 * 1024;
  ScriptedServer flood(
      {Flood("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n", kBody)});
  ScriptedServer other({Respond(kOk), AwaitClose()});
  Call large;
  size_t received = 0;
  large.heard.on_event = [&](const std::string&) {
    received += large.heard.body.size();
    large.heard.body.clear();
  };
  large.exchange = transport_->Start(Request(Endpoint(flood.port())), &large.heard);
  ASSERT_TRUE(RunUntil([&] { return received > 0; }));
  auto small = Start(Endpoint(other.port()));
  ASSERT_TRUE(RunUntil([&] { return small->heard.done; }));
  EXPECT_TRUE(small->heard.ended());
  EXPECT_FALSE(large.heard.done);
  EXPECT_LT(received, kBody / 4);
}

// What an upstream does wrong, and what is heard of it.
struct Misbehaviour {
  std::string name;
  Script script;
  HttpFailure failure;
  std::string message;
};

class MisbehavingUpstreamTest : public TransportTest,
                                public ::testing::WithParamInterface<Misbehaviour> {};

TEST_P(MisbehavingUpstreamTest, FailsWithItsKindAndReason) {
  ScriptedServer server(GetParam().script);
  auto call = Run(Endpoint(server.port()));
  EXPECT_EQ(call->heard.events.back(), "failure");
  EXPECT_EQ(call->heard.failure, GetParam().failure) << call->heard.message;
  EXPECT_THAT(call->heard.message, HasSubstr(GetParam().message));
  EXPECT_THAT(call->heard.message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(Stats().open, 0u);
  EXPECT_EQ(server.connections(), 1) << "a request that may have arrived is not sent again";
}

constexpr char kChunkedHead[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Upstream, MisbehavingUpstreamTest,
    ::testing::Values(
        Misbehaviour{"AcceptsAndCloses", {CloseNow()}, HttpFailure::kReset, ""},
        Misbehaviour{"ReadsAndCloses", {ReadRequest(), CloseNow()}, HttpFailure::kReset,
                     "was closed before the response"},
        Misbehaviour{"ReadsAndResets", {ReadRequest(), ResetNow()}, HttpFailure::kReset,
                     "connection reset by peer"},
        Misbehaviour{"CutsTheHead", {Respond("HTTP/1.1 200 OK\r\nContent-Le"), CloseNow()},
                     HttpFailure::kReset, "was closed before the response"},
        Misbehaviour{"FallsShortOfItsContentLength",
                     {Respond("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"), CloseNow()},
                     HttpFailure::kReset, "was closed in the middle of the response"},
        Misbehaviour{"CutsAChunk", {Respond(std::string(kChunkedHead) + "a\r\nhello"), CloseNow()},
                     HttpFailure::kReset, "was closed in the middle of the response"},
        Misbehaviour{"CutsBetweenChunks",
                     {Respond(std::string(kChunkedHead) + "5\r\nhello\r\n"), CloseNow()},
                     HttpFailure::kReset, "was closed in the middle of the response"},
        Misbehaviour{"SpeaksGarbage", {Respond("\x16\x03\x01 this is not HTTP\r\n\r\n")},
                     HttpFailure::kProtocol, "is not HTTP/1.1"},
        Misbehaviour{"SpeaksHttp2", {Respond("HTTP/2 200\r\n\r\n")}, HttpFailure::kProtocol,
                     "is not HTTP/1.1"},
        Misbehaviour{"SendsABadChunkSize", {Respond(std::string(kChunkedHead) + "zz\r\nhello\r\n")},
                     HttpFailure::kProtocol, "malformed HTTP response"},
        Misbehaviour{"SendsTwoLengths",
                     {Respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                              "Content-Length: 3\r\n\r\nok")},
                     HttpFailure::kProtocol, "malformed HTTP response"},
        Misbehaviour{"SwitchesProtocols",
                     {Respond("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")},
                     HttpFailure::kProtocol, "switched protocols"},
        Misbehaviour{"SendsAnOversizedHead",
                     {Respond("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n")},
                     HttpFailure::kProtocol, "larger than 65536 bytes"}),
    [](const auto& info) { return info.param.name; });

// The observer may destroy the exchange in any callback.
class DestroyInCallbackTest : public TransportTest,
                              public ::testing::WithParamInterface<std::string> {};

TEST_P(DestroyInCallbackTest, SaysNothingMore) {
  const bool fails = GetParam() == "failure";
  ScriptedServer server({Respond(fails ? "garbage, not HTTP\r\n\r\n" : kChunked), AwaitClose()});
  Call call;
  size_t events = 0;
  bool destroyed = false;
  call.heard.on_event = [&](const std::string& event) {
    EXPECT_FALSE(destroyed);
    ++events;
    if (event != GetParam()) return;
    call.exchange.reset();
    destroyed = true;
  };
  auto endpoint = Endpoint(server.port());
  // By name it is connected later: then an observer hears of it.
  if (GetParam() == "connected") endpoint->host = "localhost";
  call.exchange = transport_->Start(Request(endpoint), &call.heard);
  ASSERT_TRUE(RunUntil([&] { return destroyed; }));
  const size_t then = events;
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(events, then);
  EXPECT_EQ(Stats().open, GetParam() == "end" ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Each, DestroyInCallbackTest,
                         ::testing::Values("connected", "head 200", "body", "end", "failure"),
                         [](const auto& info) { return info.param.substr(0, 4); });

TEST_F(ExchangeTest, DestroyingWhenTheConnectionFailedIsFine) {
  Call call;
  call.heard.on_event = [&](const std::string&) { call.exchange.reset(); };
  call.exchange = transport_->Start(Request(Endpoint(UnusedPort())), &call.heard);
  EXPECT_TRUE(RunUntil([&] { return call.exchange == nullptr; }));
}

TEST_F(ExchangeTest, GoesSilentWhenTheTransportGoesFirst) {
  ScriptedServer server({Respond("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
                         AwaitClose()});
  auto streaming = Start(Endpoint(server.port()));
  ASSERT_TRUE(RunUntil([&] { return streaming->heard.body == "hello"; }));
  auto named = Endpoint(server.port());
  named->host = "localhost";  // so that it is still connecting
  auto starting = Start(named);
  const size_t heard = streaming->heard.events.size();
  transport_.reset();
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
  streaming->exchange->Pause();
  streaming->exchange->Resume();
  RunFor(absl::Milliseconds(5));
  EXPECT_EQ(streaming->heard.events.size(), heard);
  EXPECT_TRUE(starting->heard.events.empty());
}

}  // namespace
}  // namespace sluice

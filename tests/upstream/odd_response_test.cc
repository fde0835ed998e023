// Responses that are clear though they should not be sent so: read, and the
// connection is given up.
#include <zlib.h>

#include <string>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OddResponseTest : public TransportTest {};

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = out.size();
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Coded(const std::string& status, const std::string& coding, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Encoding: " + coding + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST_F(OddResponseTest, OddFramingIsReadAndTheConnectionGivenUp) {
  const std::string chunks = "5\r\nhello\r\n0\r\n\r\n";
  for (const std::string& response : {
           "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + chunks,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
           std::string("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
           std::string("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
       }) {
    ScriptedServer server({Respond(response), AwaitClose()});
    auto call = Run(Endpoint(server.port()));
    EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end")) << response;
    EXPECT_EQ(call->heard.body, "hello") << response;
    EXPECT_EQ(Stats().idle, 0u) << response;
    EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; })) << response;
  }
}

TEST_F(OddResponseTest, ACompressedBodyIsDecoded) {
  ScriptedServer server({Respond(Coded("200 OK", "gzip", Gzip("hello world"))), AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_THAT(call->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(call->heard.body, "hello world");
  EXPECT_EQ(Stats().idle, 1u) << "its framing is as it should be";
}

TEST_F(OddResponseTest, ACodingThatIsNotKnownIsNamed) {
  ScriptedServer server({Respond(Coded("200 OK", "br", "\x1b\x0b")), AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_EQ(call->heard.events.back(), "failure");
  EXPECT_EQ(call->heard.failure, HttpFailure::kProtocol);
  EXPECT_THAT(call->heard.message, HasSubstr("a content coding that was not asked for: br"));
}

TEST_F(OddResponseTest, OfAnErrorThatIsNotKnownTheStatusIsLeft) {
  ScriptedServer server({Respond(Coded("429 Slow", "zstd", "\x28\xb5\x2f\xfd")), AwaitClose()});
  EXPECT_THAT(Run(Endpoint(server.port()))->heard.events, ElementsAre("connected", "head 429", "end"));
}

TEST_F(OddResponseTest, ABrokenCodingIsAFailure) {
  std::string body = Gzip(std::string(1000, 'x'));
  body[body.size() / 2] ^= 0x55;
  ScriptedServer server({Respond(Coded("200 OK", "gzip", body)), AwaitClose()});
  auto call = Run(Endpoint(server.port()));
  EXPECT_EQ(call->heard.failure, HttpFailure::kProtocol);
  EXPECT_THAT(call->heard.message, HasSubstr("is not the gzip that it says"));
}

TEST_F(OddResponseTest, APauseHoldsBackWhatIsDecoded) {
  constexpr size_t kBody = 16 << 20;
  ScriptedServer server({Respond(Coded("200 OK", "gzip", Gzip(std::string(kBody, '0')))), AwaitClose()});
  Call call;
  size_t received = 0;
  size_t pieces = 0;
  call.heard.on_event = [&](const std::string& event) {
    if (event != "body") return;
    received += call.heard.body.size();
    call.heard.body.clear();
    if (++pieces % 100 == 1) call.exchange->Pause();
  };
  call.exchange = transport_->Start(Request(Endpoint(server.port())), &call.heard);
  ASSERT_TRUE(RunUntil([&] { return pieces == 1; }));
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(pieces, 1u);
  EXPECT_FALSE(call.heard.done);
  while (!call.heard.done) {
    call.exchange->Resume();
    const size_t before = pieces;
    ASSERT_TRUE(RunUntil([&] { return call.heard.done || pieces == before + 100; }));
  }
  EXPECT_TRUE(call.heard.ended()) << call.heard.message;
  EXPECT_EQ(received, kBody);
}

TEST_F(OddResponseTest, DestroyingInADecodedPieceIsFine) {
  ScriptedServer server({Respond(Coded("200 OK", "gzip", Gzip(std::string(1 << 20, '0')))), AwaitClose()});
  Call call;
  size_t pieces = 0;
  call.heard.on_event = [&](const std::string& event) {
    if (event != "body") return;
    ++pieces;
    call.exchange.reset();
  };
  call.exchange = transport_->Start(Request(Endpoint(server.port())), &call.heard);
  ASSERT_TRUE(RunUntil([&] { return pieces > 0; }));
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(pieces, 1u);
}

}  // namespace
}  // namespace sluice

// TLS to an upstream: verified always, by the endpoint's CA and name.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "gmock/gmock.h"
#include "proto/tls/tls_files.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Made once, with the openssl program: a CA, a certificate for
// "llm.test" and 127.0.0.1, and a CA that signed nothing here.
class Certificates {
 public:
  Certificates() {
    char pattern[] = "/tmp/sluice-tls-XXXXXX";
    folder_ = mkdtemp(pattern);
    const std::string make =
        "cd " + folder_ + " && exec 2>openssl.log && "
        "new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \"$@\"; } && "
        "new -x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.pem && "
        "new -x509 -days 2 -subj /CN=other -keyout other.key -out other.pem && "
        "new -subj /CN=llm.test -keyout server.key -out server.csr && "
        "printf 'subjectAltName=DNS:llm.test,IP:127.0.0.1' > san && "
        "openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        "-extfile san -out server.pem && "
        "printf 'subjectAltName=DNS:llm.test' > san && "
        "openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        "-extfile san -out named.pem";
    ok_ = std::system(make.c_str()) == 0;
  }
  ~Certificates() { [[maybe_unused]] int ignored = std::system(("rm -r " + folder_).c_str()); }

  bool ok() const { return ok_; }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

 private:
  std::string folder_;
  bool ok_ = false;
};

// By read(), from files and sockets; what goes through recv() counts too.
uint64_t BytesReadByThisThread() {
  std::ifstream io("/proc/thread-self/io");
  std::string name;
  uint64_t value = 0;
  while (io >> name >> value) {
    if (name == "rchar:") return value;
  }
  ADD_FAILURE() << "/proc/thread-self/io tells nothing";
  return 0;
}

class TlsTest : public TransportTest {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new Certificates;
    ASSERT_TRUE(certificates_->ok());
  }
  static void TearDownTestSuite() {
    delete certificates_;
    certificates_ = nullptr;
  }

  // Its certificate is for 127.0.0.1 too, or for llm.test only.
  ScriptedTls Serves(const std::string& certificate = "server.pem") {
    return {certificates_->file(certificate), certificates_->file("server.key")};
  }
  static std::shared_ptr<const Authorities> Trusted(const std::string& name) {
    return Authorities::FromPem(ReadPemFile(certificates_->file(name)).value()).value();
  }
  std::shared_ptr<HttpEndpoint> TlsEndpoint(uint16_t port) {
    auto endpoint = Endpoint(port);
    endpoint->tls = true;
    endpoint->authorities = Trusted("ca.pem");
    return endpoint;
  }

  static Certificates* certificates_;
};

Certificates* TlsTest::certificates_ = nullptr;

TEST_F(TlsTest, StreamsAndReuses) {
  ScriptedServer server({{RespondForever(kChunked)}}, Serves());
  auto endpoint = TlsEndpoint(server.port());
  auto first = Run(endpoint);
  EXPECT_THAT(first->heard.events, ElementsAre("connected", "head 200", "body", "end"))
      << first->heard.message;
  EXPECT_EQ(first->heard.body, "hello world");
  EXPECT_EQ(Run(endpoint)->heard.events[0], "reused");
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(Stats().endpoint, "https://127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(TlsTest, EveryHandshakeButTheFirstResumesTheSession) {
  ScriptedServer server({{Respond(kOk), AwaitClose()}}, Serves());
  auto endpoint = TlsEndpoint(server.port());
  endpoint->keep_idle = false;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Run(endpoint)->heard.ended());
  EXPECT_EQ(server.connections(), 4);
  EXPECT_EQ(server.resumed(), 3);
}

// The system's authorities are parsed once, not for each connection: that takes
// many milliseconds of the loop's time.
TEST_F(TlsTest, TheSystemsAuthoritiesAreReadOnce) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves());
  auto endpoint = TlsEndpoint(server.port());
  endpoint->authorities = nullptr;
  Run(endpoint);
  const uint64_t before = BytesReadByThisThread();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Run(endpoint)->heard.message, HasSubstr("is not trusted"));
  EXPECT_LT(BytesReadByThisThread() - before, 50'000u);
}

TEST_F(TlsTest, OneAuthoritysConnectionsDoNotMakeAnothersBeReadAnew) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves());
  auto of_the_system = TlsEndpoint(server.port());
  of_the_system->authorities = nullptr;
  auto own = TlsEndpoint(server.port());
  Run(of_the_system);
  Run(own);
  const uint64_t before = BytesReadByThisThread();
  own->keep_idle = false;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(Run(own)->heard.ended());
    EXPECT_THAT(Run(of_the_system)->heard.message, HasSubstr("is not trusted"));
  }
  EXPECT_LT(BytesReadByThisThread() - before, 50'000u);
}

TEST_F(TlsTest, RefusesACertificateThatTheCaDidNotSign) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves());
  auto endpoint = TlsEndpoint(server.port());
  endpoint->authorities = Trusted("other.pem");
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_THAT(call->heard.message, HasSubstr("the certificate of 127.0.0.1:" +
                                             std::to_string(server.port()) + " is not trusted"));
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(TlsTest, TheSystemsAuthoritiesDoNotTrustAPrivateOne) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves());
  auto endpoint = TlsEndpoint(server.port());
  endpoint->authorities = nullptr;
  auto call = Run(endpoint);
  EXPECT_THAT(call->heard.message, HasSubstr("is not trusted"));
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(TlsTest, RefusesACertificateForAnotherName) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves("named.pem"));
  auto call = Run(TlsEndpoint(server.port()));
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_THAT(call->heard.message, HasSubstr("is not for \"127.0.0.1\""));
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(TlsTest, ServerNameIsWhatTheCertificateAndTheHostHeaderSay) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves("named.pem"));
  auto endpoint = TlsEndpoint(server.port());
  endpoint->server_name = "llm.test";
  auto call = Run(endpoint);
  EXPECT_TRUE(call->heard.ended()) << call->heard.message;
  EXPECT_THAT(server.last_request(),
              HasSubstr("\r\nHost: llm.test:" + std::to_string(server.port()) + "\r\n"));
}

// A session that the authorities of before verified would be resumed without
// verifying anything; an idle connection of theirs likewise.
TEST_F(TlsTest, OtherAuthoritiesUseNoConnectionAndNoSessionOfThoseBefore) {
  ScriptedServer server({{RespondForever(kOk)}}, Serves());
  auto before = TlsEndpoint(server.port());
  EXPECT_TRUE(Run(before)->heard.ended());
  auto after = TlsEndpoint(server.port());
  after->authorities = Trusted("other.pem");
  EXPECT_THAT(Run(after)->heard.message, HasSubstr("is not trusted"));
  EXPECT_EQ(server.resumed(), 0);
  // The same ones read anew are no others.
  auto again = TlsEndpoint(server.port());
  EXPECT_EQ(Run(again)->heard.events[0], "reused");
}

TEST_F(TlsTest, SaysThatAPlainPortSpeaksNoTls) {
  ScriptedServer server({Write("HTTP/1.1 400 Bad Request\r\n\r\n"), CloseNow()});
  auto call = Run(TlsEndpoint(server.port()));
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_THAT(call->heard.message, HasSubstr("the TLS handshake with 127.0.0.1:"));
}

// Records are larger than what is read at once, so that TLS holds bytes back
// when the socket has none.
TEST_F(TlsTest, PauseAndResumeLoseNothingThatTlsHoldsBack) {
  options_.read_bytes_per_turn = 5'000;
  transport_ = std::make_unique<PooledHttpTransport>(loop_, options_);
  constexpr size_t kBody = 4 * 1024 * 1024;
  ScriptedServer server(
      {{Flood("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n", kBody),
        AwaitClose()}},
      Serves());
  Call call;
  int pieces = 0;
  call.heard.on_event = [&](const std::string& event) {
    if (event == "body" && ++pieces % 7 == 0) {
      call.exchange->Pause();
      loop_.Post([&] { call.exchange->Resume(); });
    }
  };
  call.exchange = transport_->Start(Request(TlsEndpoint(server.port())), &call.heard);
  ASSERT_TRUE(RunUntil([&] { return call.heard.done; }));
  EXPECT_TRUE(call.heard.ended()) << call.heard.message;
  EXPECT_EQ(call.heard.body, std::string(kBody, 'x'));
}

TEST_F(TlsTest, SendsALargeBodyWhole) {
  ScriptedServer server({{AwaitRelease(), Respond(kOk), AwaitClose()}}, Serves());
  const std::string body(4 * 1024 * 1024, 'b');
  auto call = Start(TlsEndpoint(server.port()), body);
  ASSERT_TRUE(RunUntil([&] { return !call->heard.events.empty(); }));
  RunFor(absl::Milliseconds(20));
  server.Release();
  ASSERT_TRUE(RunUntil([&] { return call->heard.done; }));
  EXPECT_TRUE(call->heard.ended()) << call->heard.message;
  EXPECT_EQ(server.last_request().substr(server.last_request().size() - body.size()), body);
}

TEST_F(TlsTest, ACutWithoutCloseNotifyIsNotTheEndOfABody) {
  ScriptedServer server({{Respond("HTTP/1.1 200 OK\r\n\r\nuntil the end"), ResetNow()}}, Serves());
  auto call = Run(TlsEndpoint(server.port()));
  EXPECT_EQ(call->heard.failure, HttpFailure::kReset);
}

TEST_F(TlsTest, CancellingClosesTheConnectionAtOnce) {
  ScriptedServer server({{Respond("HTTP/1.1 200 OK\r\n\r\n"), AwaitClose()}}, Serves());
  auto call = Start(TlsEndpoint(server.port()));
  ASSERT_TRUE(RunUntil([&] { return call->heard.events.size() == 2; }));
  call->exchange.reset();
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return server.closed_by_client() == 1; }));
}

TEST_F(TlsTest, ADeadConnectionIsReplaced) {
  ScriptedServer server({{Respond(kOk), AwaitRelease(), CloseNow()}, {RespondForever(kOk)}},
                        Serves());
  auto endpoint = TlsEndpoint(server.port());
  Run(endpoint);
  server.Release();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(Stats().idle, 1u);
  EXPECT_EQ(Run(endpoint)->heard.events[0], "connected");
  EXPECT_EQ(server.requests(), 2);
}

}  // namespace
}  // namespace sluice

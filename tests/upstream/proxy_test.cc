// Proxies: only the one that the endpoint names, and always by CONNECT.
#include <cstdlib>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ProxyTest : public TransportTest {
 protected:
  static std::string ProxyUrl(uint16_t port) {
    return "http://user:hunter2@127.0.0.1:" + std::to_string(port);
  }
};

TEST_F(ProxyTest, TunnelsThroughTheProxyOfTheEndpoint) {
  std::string connect;
  ScriptedServer proxy({ReadRequest(),
                        [&](ScriptedPeer& peer) {
                          connect = peer.server().last_request();
                          return peer.Write("HTTP/1.1 200 Connected\r\n\r\n");
                        },
                        RespondForever(kOk)});
  auto endpoint = Endpoint(80);
  endpoint->host = "llm.test";  // the proxy resolves it
  endpoint->proxy = ProxyUrl(proxy.port());
  EXPECT_THAT(Run(endpoint)->heard.events, ElementsAre("connected", "head 200", "body", "end"));
  EXPECT_EQ(Run(endpoint)->heard.events[0], "reused");
  EXPECT_THAT(connect, HasSubstr("CONNECT llm.test:80 HTTP/1.1\r\n"));
  EXPECT_THAT(proxy.last_request(), HasSubstr("POST /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_EQ(Stats().proxy, "127.0.0.1:" + std::to_string(proxy.port()));
}

TEST_F(ProxyTest, ARefusalNamesTheProxyAndHidesItsPassword) {
  ScriptedServer proxy({Respond("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")});
  auto endpoint = Endpoint(80);
  endpoint->host = "llm.test";
  endpoint->proxy = ProxyUrl(proxy.port());
  auto call = Run(endpoint);
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_THAT(call->heard.message,
              HasSubstr("proxy 127.0.0.1:" + std::to_string(proxy.port()) +
                        " did not connect to llm.test:80"));
  EXPECT_THAT(call->heard.message, HasSubstr("403"));
  EXPECT_THAT(call->heard.message, Not(HasSubstr("hunter2")));
}

TEST_F(ProxyTest, AProxyThatIsDownIsNamed) {
  auto endpoint = Endpoint(80);
  endpoint->host = "llm.test";
  const uint16_t port = UnusedPort();
  endpoint->proxy = ProxyUrl(port);
  EXPECT_EQ(Run(endpoint)->heard.message,
            "connection refused by proxy 127.0.0.1:" + std::to_string(port));
}

// An address without a proxy is connected to past libcurl, which is what reads
// the environment: so the host is a name.
TEST_F(ProxyTest, TheEnvironmentNamesNoProxy) {
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->host = "localhost";
  const std::string nobody = ProxyUrl(UnusedPort());
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) setenv(name, nobody.c_str(), 1);
  auto call = Run(endpoint);
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) unsetenv(name);
  EXPECT_TRUE(call->heard.ended()) << call->heard.message;
}

TEST_F(ProxyTest, TheEnvironmentExceptsNoHostFromTheEndpointsProxy) {
  ScriptedServer proxy({Respond("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")});
  ScriptedServer server({RespondForever(kOk)});
  auto endpoint = Endpoint(server.port());
  endpoint->host = "localhost";
  endpoint->proxy = ProxyUrl(proxy.port());
  setenv("no_proxy", "*", 1);
  auto call = Run(endpoint);
  unsetenv("no_proxy");
  EXPECT_EQ(call->heard.failure, HttpFailure::kConnect);
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace sluice

#include "server/config/endpoint_url.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

struct GoodCase {
  const char* name;
  const char* url;
  bool tls;
  const char* host;
  int port;
  const char* base_path;
  const char* host_port;
};

class GoodUrlTest : public testing::TestWithParam<GoodCase> {};

TEST_P(GoodUrlTest, IsTakenApart) {
  const GoodCase& want = GetParam();
  const auto url = ParseEndpointUrl(want.url);
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->tls, want.tls);
  EXPECT_EQ(url->host, want.host);
  EXPECT_EQ(url->port, want.port);
  EXPECT_EQ(url->base_path, want.base_path);
  EXPECT_EQ(url->HostPort(), want.host_port);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodUrlTest,
    testing::Values(
        GoodCase{"Https", "https://api.openai.com/v1", true, "api.openai.com", 443, "/v1", "api.openai.com:443"},
        GoodCase{"Http", "http://localhost", false, "localhost", 80, "", "localhost:80"},
        GoodCase{"Port", "http://127.0.0.1:8080/", false, "127.0.0.1", 8080, "", "127.0.0.1:8080"},
        GoodCase{"SlashesAtTheEnd", "https://h/a/b//", true, "h", 443, "/a/b", "h:443"},
        GoodCase{"UpperCaseHost", "https://API.Example.COM/V1", true, "api.example.com", 443, "/V1", "api.example.com:443"},
        GoodCase{"Ipv6", "http://[::1]:9000/v1", false, "::1", 9000, "/v1", "[::1]:9000"},
        GoodCase{"Ipv6NoPort", "https://[2001:DB8::1]", true, "2001:db8::1", 443, "", "[2001:db8::1]:443"}),
    [](const auto& info) { return info.param.name; });

class BadUrlTest : public testing::TestWithParam<const char*> {};

TEST_P(BadUrlTest, IsRefused) {
  EXPECT_EQ(ParseEndpointUrl(GetParam()).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, BadUrlTest,
                         testing::Values("", "ftp://h", "h:80", "https://", "https:///v1", "http://h:0", "http://h:65536",
                                         "http://h:x", "http://h:", "http://[::1", "http://[]", "http://[::1]x",
                                         "http://::1", "http://u:p@h", "http://h?q", "http://h/#f", "http://h/a b",
                                         "http://h\r\nx: y", "http://h/a\r\nb"));

TEST(EndpointUrlTest, APasswordInItIsNotShown) {
  const auto url = ParseEndpointUrl("https://user:hunter2@host/v1");
  EXPECT_EQ(std::string(url.status().message()).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace sluice

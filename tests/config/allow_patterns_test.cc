#include "server/config/allow_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(AllowPatternsTest, ACredentialPatternMustMatchSomeCredential) {
  for (const char* good : {"env:*_API_KEY", "env:*", "env:A", "env:_a9", "*", "e*", "*_API_KEY", "*:KEY", "env*",
                           "file:/run/secrets/*", "file:/run/secrets/*/*", "file:*/key", "file:/*", "f*/x", "*:/key",
                           "file:/a..b/c"}) {
    EXPECT_TRUE(CheckCredentialPattern(good).ok()) << CheckCredentialPattern(good);
  }
  for (const char* bad : {"", "OPENAI_API_KEY", "/run/secrets/*", "env:", "env:A-B", "env:1A", "env:*-*KEY*", "env:A B",
                          "ENV:*", "env/*", "file:", "file:run/x", "file:/", "file:/a/../b", "file:/./*", "file:/a b",
                          "env:KEY,env:OTHER", "vault:x", "secret:*", "sk-*"}) {
    const absl::Status status = CheckCredentialPattern(bad);
    EXPECT_FALSE(status.ok()) << bad;
    EXPECT_THAT(std::string(status.message()),
                StartsWith("\"" + std::string(bad) + "\" can match no credential; write env:NAME or file:/path"));
  }
}

TEST(AllowPatternsTest, AStarAloneIsToldToCoverNoFile) {
  EXPECT_THAT(CredentialPatternNote("*"), HasSubstr("\"*\" matches variables (env:) only"));
  EXPECT_THAT(CredentialPatternNote("*_API_KEY"), HasSubstr("files need patterns of their own"));
  for (const char* clear : {"env:*", "file:/run/secrets/*", "*/key"}) EXPECT_EQ(CredentialPatternNote(clear), "");
}

TEST(AllowPatternsTest, AHostPatternMustMatchSomeHost) {
  for (const char* good : {"*", "*.openai.com", "api.openai.com", "localhost:8080", "10.0.0.*", "*:443", "::1",
                           "[::1]:8080", "[::1]:*", "2001:db8:*", "a_b-c.example", "host:80*"}) {
    EXPECT_TRUE(CheckHostPattern(good).ok()) << CheckHostPattern(good);
  }
  for (const char* bad : {"", "https://api.openai.com", "api.openai.com/v1", "*/*", "user@host", "a,b", "a b", "host:0",
                          "host:http", "host:65536", "host:", ":80", "[::1]", "[::1]:x", "host?", "a]"}) {
    const absl::Status status = CheckHostPattern(bad);
    EXPECT_FALSE(status.ok()) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("can match no host; write a host or host:port"));
  }
}

}  // namespace
}  // namespace sluice

#include "server/config/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "server/config/config_options.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kSecret[] = "sk-never-shown";

std::string Message(const absl::StatusOr<std::string>& result) { return std::string(result.status().message()); }

std::string WriteSecret(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

struct GlobCase {
  const char* pattern;
  const char* text;
  bool matches;
};

class GlobTest : public testing::TestWithParam<GlobCase> {};

TEST_P(GlobTest, Matches) {
  EXPECT_EQ(GlobMatch(GetParam().pattern, GetParam().text), GetParam().matches)
      << GetParam().pattern << " on " << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(All, GlobTest,
                         testing::Values(GlobCase{"env:*_API_KEY", "env:OPENAI_API_KEY", true},
                                         GlobCase{"env:*_API_KEY", "env:AWS_SECRET", false},
                                         GlobCase{"env:*_API_KEY", "env:X_API_KEY_2", false},
                                         GlobCase{"file:/run/secrets/*", "file:/run/secrets/a", true},
                                         GlobCase{"file:/run/secrets/*", "file:/run/secrets/a/b", false},
                                         GlobCase{"file:/run/secrets/*", "file:/etc/shadow", false},
                                         GlobCase{"*", "", true}, GlobCase{"*", "api.openai.com", true},
                                         GlobCase{"*.example.com", "a.b.example.com", true},
                                         GlobCase{"*.example.com", "example.com", false},
                                         GlobCase{"a*b*c", "aXbYbZc", true}, GlobCase{"a*b*c", "aXbYbZ", false},
                                         GlobCase{"", "", true}, GlobCase{"", "a", false}));

TEST(HostAllowedTest, HostOrHostWithPort) {
  EXPECT_TRUE(HostAllowed({"*"}, "::1", 80));
  EXPECT_TRUE(HostAllowed({"api.openai.com"}, "API.openai.com", 443));
  EXPECT_TRUE(HostAllowed({"localhost:80"}, "localhost", 80));
  EXPECT_FALSE(HostAllowed({"localhost:80"}, "localhost", 81));
  EXPECT_FALSE(HostAllowed({"api.openai.com"}, "api.openai.com.evil.net", 443));
  EXPECT_FALSE(HostAllowed({}, "localhost", 80));
}

TEST(CredentialTest, EnvironmentVariable) {
  setenv("TEST_A_API_KEY", kSecret, 1);
  const CredentialResolver resolver({"env:*_API_KEY"});
  EXPECT_EQ(resolver.Resolve("env:TEST_A_API_KEY").value(), kSecret);
}

TEST(CredentialTest, MissingVariableIsNamed) {
  unsetenv("TEST_MISSING_API_KEY");
  const auto result = CredentialResolver({"env:*_API_KEY"}).Resolve("env:TEST_MISSING_API_KEY");
  EXPECT_EQ(Message(result), "env TEST_MISSING_API_KEY is not set here");
}

TEST(CredentialTest, FileLessItsLineEnd) {
  const std::string path = WriteSecret("secret-file", std::string(kSecret) + "\r\n");
  const CredentialResolver resolver({"file:" + testing::TempDir() + "*"});
  EXPECT_EQ(resolver.Resolve("file:" + path).value(), kSecret);
}

TEST(CredentialTest, BlanksAndAByteOrderMarkAroundASecretAreNoPartOfIt) {
  const CredentialResolver resolver({"file:" + testing::TempDir() + "*", "env:TEST_*"});
  for (const char* around : {"\n%", " \t%\r\n\r\n", "\xEF\xBB\xBF%\r\n", "\xEF\xBB\xBF \n%\v\f ", "%\n\n \n"}) {
    std::string text = around;
    text.replace(text.find('%'), 1, kSecret);
    EXPECT_EQ(resolver.Resolve("file:" + WriteSecret("blanks", text)).value(), kSecret) << text;
    setenv("TEST_BLANKS_API_KEY", text.c_str(), 1);
    EXPECT_EQ(resolver.Resolve("env:TEST_BLANKS_API_KEY").value(), kSecret) << text;
  }
  // Inside they are one: two lines are no key.
  EXPECT_FALSE(resolver.Resolve("file:" + WriteSecret("two-lines", "a\nb\n")).ok());
  EXPECT_FALSE(resolver.Resolve("file:" + WriteSecret("only-blanks", "\xEF\xBB\xBF \r\n")).ok());
}

TEST(CredentialTest, TheDefaultCoversSecretsOfDockerAndOfKubernetes) {
  const CredentialResolver resolver(ConfigAllowLists().credentials);
  for (const char* name : {"file:/run/secrets/absent-key", "file:/run/secrets/absent/key"}) {
    EXPECT_EQ(resolver.Resolve(name).status().code(), absl::StatusCode::kNotFound) << name;
  }
  for (const char* name : {"file:/run/secrets/a/b/c", "file:/run/secrets", "file:/run/other/key"}) {
    EXPECT_EQ(resolver.Resolve(name).status().code(), absl::StatusCode::kPermissionDenied) << name;
  }
}

TEST(CredentialTest, WhatIsNotAllowedIsNotEvenRead) {
  setenv("TEST_SESSION_TOKEN", kSecret, 1);
  const CredentialResolver resolver({"env:*_API_KEY", "file:/run/secrets/*"});
  for (const char* name : {"env:TEST_SESSION_TOKEN", "env:HOME", "file:/etc/passwd"}) {
    const auto result = resolver.Resolve(name);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kPermissionDenied) << name;
    EXPECT_THAT(Message(result), HasSubstr(name));
  }
}

TEST(CredentialTest, ANameThatBeginsLikeAnAllowedOneIsAnother) {
  const std::string allowed = WriteSecret("key", kSecret);
  const std::string longer = WriteSecret("key2", kSecret);
  setenv("TEST_A", kSecret, 1);
  setenv("TEST_AB", kSecret, 1);
  const CredentialResolver resolver({"env:TEST_A", "file:" + allowed});
  for (const std::string& name : {std::string("env:TEST_A"), "file:" + allowed}) {
    EXPECT_TRUE(resolver.Resolve(name).ok()) << name;
  }
  for (const std::string& name : {std::string("env:TEST_AB"), std::string("env:TEST"), "file:" + longer}) {
    EXPECT_EQ(resolver.Resolve(name).status().code(), absl::StatusCode::kPermissionDenied) << name;
  }
}

TEST(CredentialTest, PathsCannotLeaveAnAllowedFolder) {
  const CredentialResolver resolver({"file:*", "file:/run/secrets/*", "file:/*/*/*/*"});
  for (const char* name : {"file:/run/secrets/..", "file:/run/secrets/../passwd", "file:/run/./x", "file:relative"}) {
    EXPECT_EQ(resolver.Resolve(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(CredentialTest, NoMessageHoldsTheSecret) {
  setenv("TEST_BAD_API_KEY", (std::string(kSecret) + "\r\nX-Injected: 1").c_str(), 1);
  setenv("TEST_EMPTY_API_KEY", "", 1);
  const CredentialResolver resolver({"*", "file:" + testing::TempDir() + "*"});
  const std::string long_file = WriteSecret("long-secret", std::string(20000, 's'));
  for (const std::string& name : std::vector<std::string>{"env:TEST_BAD_API_KEY", kSecret, "env:TEST_EMPTY_API_KEY", "file:" + long_file,
                                  "file:" + testing::TempDir(), "file:" + testing::TempDir() + "absent"}) {
    const auto result = resolver.Resolve(name);
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_THAT(Message(result), Not(HasSubstr(kSecret)));
    EXPECT_THAT(Message(result), Not(HasSubstr("ssss")));
  }
}

}  // namespace
}  // namespace sluice

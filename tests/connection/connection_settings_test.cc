// Flags, environment and contexts: which counts, and what is said when one of
// them is wrong.
#include "proto/connection/connection_settings.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class ConnectionSettingsTest : public ::testing::Test {
 protected:
  ConnectionSettingsTest() {
    char pattern[] = "/tmp/connection_test.XXXXXX";
    folder_ = mkdtemp(pattern);
    environment_["HOME"] = folder_;
  }
  ~ConnectionSettingsTest() override { std::filesystem::remove_all(folder_); }

  std::string ConfigPath() const { return folder_ + "/.config/sluice/config.yaml"; }

  void Config(const std::string& text) const {
    std::filesystem::create_directories(folder_ + "/.config/sluice");
    std::ofstream(ConfigPath()) << text;
    chmod(ConfigPath().c_str(), 0600);
  }

  ConnectionSettings Resolve(Plane plane = Plane::kControl) const {
    const auto settings = Try(plane);
    EXPECT_TRUE(settings.ok()) << settings.status();
    return settings.ok() ? *settings : ConnectionSettings();
  }

  absl::StatusOr<ConnectionSettings> Try(Plane plane = Plane::kControl) const {
    return ResolveConnection(plane, flags_, [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    });
  }

  std::string Refusal(Plane plane = Plane::kControl) const {
    const auto settings = Try(plane);
    return settings.ok() ? "accepted" : std::string(settings.status().message());
  }

  std::string folder_;
  std::map<std::string, std::string> environment_;
  ConnectionFlags flags_;
};

constexpr char kContexts[] = R"(current-context: prod
contexts:
- name: prod
  server: cp.example.net:8444
  gateway: llm.example.net:8443
  ca: prod-ca.pem
  token: slt_secret
- {name: test, server: "127.0.0.1:9444"}
)";

TEST_F(ConnectionSettingsTest, WithoutAnythingEachProgramHasItsDefault) {
  EXPECT_EQ(Resolve().server.value, "127.0.0.1:8444");
  EXPECT_EQ(Resolve(Plane::kData).server.value, "127.0.0.1:8443");
  EXPECT_FALSE(Resolve().uses_tls());
}

TEST_F(ConnectionSettingsTest, TheCurrentContextIsTakenWithItsFilesBesideIt) {
  Config(kContexts);
  const ConnectionSettings settings = Resolve();
  EXPECT_EQ(settings.server.value, "cp.example.net:8444");
  EXPECT_EQ(settings.ca.value, folder_ + "/.config/sluice/prod-ca.pem");
  EXPECT_EQ(settings.ca.source, "ca of context prod (" + ConfigPath() + ")");
  EXPECT_EQ(settings.token.value, "slt_secret");
  EXPECT_EQ(Resolve(Plane::kData).server.value, "llm.example.net:8443");
}

TEST_F(ConnectionSettingsTest, FlagsOverruleTheEnvironmentAndTheEnvironmentTheContext) {
  Config(kContexts);
  environment_["SLUICE_CONTEXT"] = "prod";
  environment_["SLUICE_CA"] = "/env/ca.pem";
  EXPECT_EQ(Resolve().ca.value, "/env/ca.pem");
  EXPECT_EQ(Resolve().ca.source, "SLUICE_CA");
  flags_.ca = "/flag/ca.pem";
  EXPECT_EQ(Resolve().ca.value, "/flag/ca.pem");
  EXPECT_EQ(Resolve().server.value, "cp.example.net:8444");
  flags_.context = "test";
  EXPECT_EQ(Resolve().server.value, "127.0.0.1:9444");
}

TEST_F(ConnectionSettingsTest, ANamedServerSetsTheCurrentContextAside) {
  Config(kContexts);
  flags_.server = "127.0.0.1:1";
  EXPECT_FALSE(Resolve().uses_tls());
  // Its secrets are for its own server.
  EXPECT_EQ(Resolve().token.value, "");
  flags_.server.reset();
  environment_["SLUICE_SERVER"] = "127.0.0.1:2";
  EXPECT_EQ(Resolve().context, "");
  flags_.context = "prod";
  EXPECT_EQ(Resolve().server.value, "127.0.0.1:2");
  EXPECT_TRUE(Resolve().uses_tls());
}

TEST_F(ConnectionSettingsTest, TheNameForOneKindOfServerCountsBeforeTheOneForBoth) {
  environment_["SLUICE_SERVER"] = "127.0.0.1:1";
  environment_["SLUICE_CONTROLPLANE"] = "127.0.0.1:2";
  environment_["SLUICE_GATEWAY"] = "127.0.0.1:3";
  EXPECT_EQ(Resolve().server.value, "127.0.0.1:2");
  EXPECT_EQ(Resolve(Plane::kData).server.value, "127.0.0.1:3");
}

TEST_F(ConnectionSettingsTest, OthersThatMayReadATokenAreToldOf) {
  Config(kContexts);
  EXPECT_EQ(Resolve().warning, "");
  chmod(ConfigPath().c_str(), 0644);
  EXPECT_EQ(Resolve().warning, ConfigPath() + " holds a token and others may read it: chmod 600 " + ConfigPath());
}

TEST_F(ConnectionSettingsTest, ATokenGoesOverTlsOrToThisMachineOnly) {
  flags_.token = "slt_x";
  EXPECT_EQ(Resolve().token.value, "slt_x");
  flags_.server = "10.0.0.1:8444";
  EXPECT_EQ(Refusal(),
            "--token is not sent to 10.0.0.1:8444 in plain text; give --ca, or --tls for the system's authorities");
  flags_.tls = true;
  EXPECT_EQ(Resolve().token.value, "slt_x");
}

TEST_F(ConnectionSettingsTest, WhatIsSavedIsReadAgainAndOnlyItsOwnerMayReadIt) {
  absl::StatusOr<ContextFile> file = ContextFile::Load(ConfigPath());
  ASSERT_TRUE(file.ok());
  const Context context{"prod \"x\"", "a:1", "b:2", "ca", "cert", "key", "t#ken: 'x'", true};
  Context named = context;
  named.name = "prod";
  file->Put(named);
  file->set_current("prod");
  ASSERT_TRUE(file->Save().ok());
  file = ContextFile::Load(ConfigPath());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_NE(file->Find("prod"), nullptr);
  for (const ContextField& field : ContextFields()) EXPECT_EQ(file->Find("prod")->*field.member, named.*field.member);
  EXPECT_TRUE(file->Find("prod")->tls);
  EXPECT_EQ(file->current(), "prod");
  struct stat there {};
  ASSERT_EQ(stat(ConfigPath().c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
}

struct RefusalRow {
  const char* name;
  std::map<std::string, std::string> environment;
  const char* config;
  const char* says;
};

class RefusalTest : public ConnectionSettingsTest, public ::testing::WithParamInterface<RefusalRow> {};

TEST_P(RefusalTest, NamesTheSource) {
  for (const auto& [name, value] : GetParam().environment) environment_[name] = value;
  if (GetParam().config != nullptr) Config(GetParam().config);
  EXPECT_THAT(Refusal(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RefusalTest,
    ::testing::Values(
        RefusalRow{"BadAddress", {{"SLUICE_SERVER", "x"}}, nullptr, "SLUICE_SERVER: \"x\" is no address; write host:port"},
        RefusalRow{"BadAlias", {{"SLUICE_CONTROLPLANE", "http://x:1"}}, nullptr, "SLUICE_CONTROLPLANE: \"http://x:1\" is no"},
        RefusalRow{"BadTls", {{"SLUICE_TLS", "maybe"}}, nullptr, "SLUICE_TLS: \"maybe\" is neither true nor false"},
        RefusalRow{"KeyAlone", {{"SLUICE_KEY", "k"}}, nullptr, "--cert and --key belong together: give both or none (only SLUICE_KEY"},
        RefusalRow{"CertWithoutTls", {{"SLUICE_CERT", "c"}, {"SLUICE_KEY", "k"}}, nullptr, "SLUICE_CERT needs --ca"},
        RefusalRow{"TokenWithBlank", {{"SLUICE_TOKEN", "a b"}}, nullptr, "SLUICE_TOKEN: holds a blank"},
        RefusalRow{"NoSuchContext", {{"SLUICE_CONTEXT", "prd"}}, kContexts, "SLUICE_CONTEXT: there is no context \"prd\" in "},
        RefusalRow{"NearContext", {{"SLUICE_CONTEXT", "prd"}}, kContexts, "did you mean \"prod\"?"},
        RefusalRow{"NoContexts", {{"SLUICE_CONTEXT", "prod"}}, nullptr, "holds none; sluicectl context set \"prod\""},
        RefusalRow{"CurrentIsGone", {}, "current-context: old\ncontexts: []\n", "current-context in "},
        RefusalRow{"UnknownKey", {}, "contexts:\n- name: a\n  sever: b:1\n", "config.yaml:3: unknown key \"sever\"; did you mean \"server\"?"},
        RefusalRow{"UnknownTopKey", {}, "context: x\n", "config.yaml:1: unknown key \"context\""},
        RefusalRow{"NotYaml", {}, "contexts: [\n", "config.yaml:"},
        RefusalRow{"NoMap", {}, "- a\n", "is no map of current-context and contexts"},
        RefusalRow{"Twice", {}, "contexts: [{name: a, server: \"b:1\"}, {name: a, server: \"c:1\"}]\n", "context \"a\" is there twice"},
        RefusalRow{"BadName", {}, "contexts: [{name: \"a b\"}]\n", "\"a b\" is no name of a context"},
        RefusalRow{"ContextBadAddress", {}, "current-context: a\ncontexts: [{name: a, server: nowhere}]\n", "server of context a ("},
        RefusalRow{"NoServer", {}, "current-context: a\ncontexts: [{name: a, gateway: \"b:1\"}]\n", "context a in "}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "server/config/config_manager.h"

namespace sluice {
namespace {

using testing::HasSubstr;

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

class PolicyFileTest : public testing::Test {
 protected:
  PolicyFileTest() : path_(testing::TempDir() + "policy-" + std::to_string(getpid()) + ".yaml") {
    options_.policy_path = path_;
    options_.policy_poll_interval = absl::Milliseconds(10);
  }
  ~PolicyFileTest() override { std::filesystem::remove(path_); }

  void Write(const std::string& upstream, const std::string& more = "") {
    std::ofstream(path_ + ".new") << "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: \"" << upstream
                                  << "\"}]\n---\nkind: Route\nname: chat\nmatch: {model: chat}\n"
                                  << "targets: [{upstream: u}]\n"
                                  << more;
    std::filesystem::rename(path_ + ".new", path_);
  }
  std::string Host(const ConfigManager& manager) {
    const auto table = manager.tables().Current();
    return table == nullptr ? "" : table->Find("chat")->targets[0].upstream->endpoints[0].http->host;
  }

  const std::string path_;
  ConfigOptions options_;
};

TEST_F(PolicyFileTest, ServesAtOnceAndTakesUpChanges) {
  Write("http://first:1");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  EXPECT_EQ(Host(manager), "first");
  EXPECT_EQ(manager.status().source, ConfigSource::kFile);
  Write("http://second:1");
  EXPECT_TRUE(Eventually([&] { return Host(manager) == "second"; }));
  EXPECT_EQ(manager.status().revision, 2u);
}

TEST_F(PolicyFileTest, ABadChangeKeepsWhatRuns) {
  Write("http://first:1");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  Write("http://second:1", "wrong_field: 1\n");
  EXPECT_TRUE(Eventually([&] { return manager.status().updates_refused == 1; }));
  EXPECT_THAT(manager.status().last_error, HasSubstr("wrong_field"));
  EXPECT_EQ(Host(manager), "first");
  Write("http://third:1");
  EXPECT_TRUE(Eventually([&] { return Host(manager) == "third"; }));
  EXPECT_EQ(manager.status().last_error, "");
}

TEST_F(PolicyFileTest, AnEmptiedFileKeepsWhatRuns) {
  Write("http://first:1");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  std::ofstream(path_, std::ios::trunc);
  manager.Reload();
  EXPECT_TRUE(Eventually([&] { return manager.status().updates_refused >= 1; }));
  EXPECT_THAT(manager.status().last_error, HasSubstr("holds no route"));
  EXPECT_EQ(manager.tables().Current()->routes().size(), 1u);
}

TEST_F(PolicyFileTest, AFileThatIsStillBeingWrittenIsNotTaken) {
  options_.policy_poll_interval = absl::Milliseconds(300);
  Write("http://first:1");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  // Half of it is valid by itself; the rest follows before the next look.
  std::ofstream out(path_, std::ios::trunc);
  out << "kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: \"http://second:1\"}]\n---\nkind: Route\n"
         "name: chat\nmatch: {model: chat}\ntargets: [{upstream: u}]\n" << std::flush;
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    out << "# more\n" << std::flush;
    EXPECT_EQ(manager.status().revision, 1u);
  }
  out.close();
  EXPECT_TRUE(Eventually([&] { return Host(manager) == "second"; }));
}

TEST_F(PolicyFileTest, ABadFileFailsTheStartWithEveryErrorAtItsLine) {
  setenv("GONE_API_KEY", "", 1);
  unsetenv("GONE_API_KEY");
  Write("http://first:1", "---\nkind: Upstream\nname: second\nformat: OPENAI\ncredential: env:GONE_API_KEY\n"
                          "endpoints: [{url: http://x}]\ntls: {ca_file: /absent.pem}\n");
  ConfigManager manager(options_, nullptr);
  const absl::Status status = manager.Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(manager.errors().size(), 2u) << status;
  EXPECT_EQ(manager.errors()[0],
            path_ + ":14: upstream/second: credential: env GONE_API_KEY is not set here");
  EXPECT_THAT(manager.errors()[1], HasSubstr(path_ + ":16: upstream/second: tls.ca_file: "));
}

TEST_F(PolicyFileTest, AnAbsentFileIsNamed) {
  ConfigManager manager(options_, nullptr);
  EXPECT_THAT(std::string(manager.Start().message()), HasSubstr(path_));
}

TEST_F(PolicyFileTest, ReloadReadsRenewedSecrets) {
  setenv("RENEWED_API_KEY", "old", 1);
  Write("http://first:1", "---\n{kind: Upstream, name: k, format: OPENAI, credential: 'env:RENEWED_API_KEY', endpoints: [{url: http://x}]}\n"
                          "---\n{kind: Route, name: keyed, match: {model: k}, targets: [{upstream: k}]}\n");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  EXPECT_EQ(manager.tables().Current()->Find("keyed")->targets[0].upstream->credentials.at(0).secret, "old");
  setenv("RENEWED_API_KEY", "new", 1);
  manager.Reload();
  EXPECT_TRUE(Eventually(
      [&] { return manager.tables().Current()->Find("keyed")->targets[0].upstream->credentials.at(0).secret == "new"; }));
}

TEST_F(PolicyFileTest, TheStatesLearnThresholdsFromWhatIsInForceOnly) {
  const auto breaker = [](const std::string& mode) { return "---\n{kind: CircuitBreaker, name: default" + mode + "}\n"; };
  Write("http://first:1", breaker(""));
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  const auto state = manager.tables().Current()->upstreams().at(0)->endpoints.at(0).state;
  const auto forced = [&] {
    const TimePoint now = absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
    return state->breaker_figures(now).state == BreakerState::kForcedOpen;
  };
  Write("http://first:1", breaker(", mode: FORCED_OPEN") + "---\n{kind: RetryPolicy, name: r, max_attempts: 99}\n");
  EXPECT_TRUE(Eventually([&] { return manager.status().updates_refused == 1; }));
  EXPECT_FALSE(forced());
  Write("http://first:1", breaker(", mode: FORCED_OPEN"));
  EXPECT_TRUE(Eventually(forced));
  EXPECT_EQ(manager.tables().Current()->upstreams().at(0)->endpoints.at(0).state, state);
}

TEST_F(PolicyFileTest, TheZoneOfTheDataPlaneIsThatOfItsOptions) {
  options_.zone = "eu-1";
  Write("http://first:1", "---\n{kind: Upstream, name: zoned, format: OPENAI, balance: {prefer_same_zone: true}, "
                          "endpoints: [{url: 'http://x', zone: eu-1}, {url: 'http://y', zone: eu-2}]}\n");
  ConfigManager manager(options_, nullptr);
  ASSERT_TRUE(manager.Start().ok());
  const UpstreamConfig& zoned = *manager.tables().Current()->upstreams().at(1);
  EXPECT_TRUE(zoned.endpoints.at(0).same_zone);
  EXPECT_FALSE(zoned.endpoints.at(1).same_zone);
}

TEST(ConfigManagerTest, NoSourceOfPoliciesIsRefused) {
  ConfigManager manager(ConfigOptions(), nullptr);
  EXPECT_EQ(manager.Start().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ConfigManagerTest, ABadNodeIdIsNamed) {
  ConfigOptions options;
  options.subscription.address = "localhost:1";
  options.subscription.node_id = "no blanks";
  grpc::CompletionQueue queue;
  ConfigManager manager(options, &queue);
  EXPECT_THAT(std::string(manager.Start().message()), HasSubstr("\"no blanks\""));
}

}  // namespace
}  // namespace sluice

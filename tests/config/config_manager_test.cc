// What a data plane makes of updates, losses and reloads.
#include "server/config/config_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/config/subscription_fixture.h"

namespace sluice {
namespace {

using testing::HasSubstr;

TEST_F(SubscriptionTest, FirstUpdateComesIntoForceAndIsAcked) {
  FakePushServer server;
  Start(server.address());
  EXPECT_EQ(manager_->tables().Current(), nullptr);
  const auto hello = server.Await(Kind::kHello);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->hello().node_id(), "edge-1");
  EXPECT_EQ(hello->hello().labels().at("zone"), "a");
  EXPECT_EQ(hello->hello().schema_version(), 1u);
  EXPECT_EQ(hello->hello().revision(), 0u);
  EXPECT_EQ(hello->hello().source(), v1::CONFIG_SOURCE_NONE);
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  EXPECT_TRUE(HasRoute("chat"));
  const ConfigStatus status = manager_->status();
  EXPECT_EQ(status.source, ConfigSource::kControlPlane);
  EXPECT_EQ(status.revision, 5u);
  EXPECT_EQ(status.epoch, "epoch-1");
  EXPECT_TRUE(status.connected);
}

TEST_F(SubscriptionTest, ChunksAreOneUpdate) {
  FakePushServer server;
  Start(server.address());
  v1::Update whole = MakeUpdate(RouteYaml("chat"), 5);
  v1::Update first = whole, second = whole;
  first.mutable_upserts()->DeleteSubrange(1, 1);
  first.set_last_chunk(false);
  second.mutable_upserts()->DeleteSubrange(0, 1);
  server.SendUpdate(first);
  Acked(server, second);
  EXPECT_TRUE(HasRoute("chat"));
  EXPECT_EQ(manager_->status().updates_applied, 1u);
}

TEST_F(SubscriptionTest, RefusalNamesEverythingAndChangesNothing) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  unsetenv("CONFIG_TEST_API_KEY");
  const auto nack = NackOf(server, MakeUpdate(std::string(kTwoEndpoints) +
                                                  "---\n{kind: Upstream, name: z, format: OPENAI, credential: 'env:HOME', "
                                                  "endpoints: [{url: http://z}]}\n",
                                              6));
  EXPECT_EQ(nack.nonce(), "n6");
  EXPECT_EQ(nack.revision(), 6u);
  ASSERT_EQ(nack.violations_size(), 2);
  EXPECT_EQ(nack.violations(0).resource().name(), "openai");
  EXPECT_EQ(nack.violations(0).message(), "env CONFIG_TEST_API_KEY is not set here");
  EXPECT_EQ(nack.violations(1).resource().name(), "z");
  EXPECT_EQ(manager_->tables().Current()->revision(), 5u);
  EXPECT_EQ(manager_->status().last_error,
            "upstream/openai: credential: env CONFIG_TEST_API_KEY is not set here (and 1 more)");
  Acked(server, MakeUpdate(RouteYaml("chat2"), 7));
  EXPECT_EQ(manager_->status().last_error, "");
}

TEST_F(SubscriptionTest, AReloadAsksAgainForWhatWasRefused) {
  FakePushServer server;
  Start(server.address());
  unsetenv("CONFIG_TEST_API_KEY");
  EXPECT_EQ(NackOf(server, MakeUpdate(kTwoEndpoints, 6)).violations_size(), 1);
  setenv("CONFIG_TEST_API_KEY", "sk-test", 1);
  manager_->Reload();
  ASSERT_TRUE(Eventually([&] { return server.streams() == 2; }));
  Acked(server, MakeUpdate(kTwoEndpoints, 6));
  // Nothing is refused now: the stream stays.
  manager_->Reload();
  Acked(server, MakeUpdate(RouteYaml("chat"), 7));
  EXPECT_EQ(server.streams(), 2);
}

TEST_F(SubscriptionTest, UnknownKindIsRefused) {
  FakePushServer server;
  Start(server.address());
  v1::Update update = MakeUpdate(RouteYaml("chat"), 5);
  update.add_upserts()->set_kind("Wizard");
  EXPECT_EQ(NackOf(server, update).violations(0).code(), "UNKNOWN_KIND");
  EXPECT_EQ(manager_->tables().Current(), nullptr);
}

TEST_F(SubscriptionTest, LowerRevisionIsRefusedAlsoAfterReconnect) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  EXPECT_EQ(NackOf(server, MakeUpdate(RouteYaml("old"), 4)).violations(0).code(), "REVISION_BEHIND");
  server.EndStream();
  ASSERT_TRUE(Eventually([&] { return server.streams() == 2; }));
  EXPECT_EQ(NackOf(server, MakeUpdate(RouteYaml("old"), 4)).violations(0).code(), "REVISION_BEHIND");
  EXPECT_TRUE(HasRoute("chat"));
}

TEST_F(SubscriptionTest, RemovalsAreApplied) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  v1::Update removal = MakeUpdate("{kind: RetryPolicy, name: default}", 6, false);
  removal.add_removals()->set_kind("Route");
  removal.mutable_removals(0)->set_name("chat");
  Acked(server, removal);
  EXPECT_FALSE(HasRoute("chat"));
}

TEST_F(SubscriptionTest, ResumeTellsWhatIsHeld) {
  FakePushServer server;
  Start(server.address());
  ASSERT_TRUE(server.Await(Kind::kHello));
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  server.EndStream();
  const auto hello = server.Await(Kind::kHello);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->hello().epoch(), "epoch-1");
  EXPECT_EQ(hello->hello().revision(), 5u);
  EXPECT_EQ(hello->hello().source(), v1::CONFIG_SOURCE_CONTROL_PLANE);
  ASSERT_EQ(hello->hello().have_size(), 2);
  EXPECT_EQ(hello->hello().have(0).kind(), "Route");
  EXPECT_EQ(hello->hello().have(0).version(), 5u);
  EXPECT_TRUE(HasRoute("chat")) << "losing the control plane must take nothing away";
}

TEST_F(SubscriptionTest, TheSameNonceIsAnsweredAgainAndNotAppliedAgain) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  EXPECT_EQ(manager_->status().updates_applied, 1u);
}

TEST_F(SubscriptionTest, TooLargeAnUpdateIsRefused) {
  options_.subscription.max_update_bytes = 20;
  FakePushServer server;
  Start(server.address());
  EXPECT_EQ(NackOf(server, MakeUpdate(RouteYaml("chat"), 5)).violations(0).code(), "TOO_LARGE");
}

TEST_F(SubscriptionTest, HealthAndDigestComeByThemselves) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  const auto health = server.Await(Kind::kHealth);
  ASSERT_TRUE(health);
  EXPECT_EQ(health->health().open_calls(), 3);
  EXPECT_TRUE(health->health().has_uptime());
  const auto digest = server.Await(Kind::kDigest);
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->digest().revision(), 5u);
  EXPECT_EQ(digest->digest().sha256(), ApplyUpdate({}, MakeUpdate(RouteYaml("chat"), 5)).set.Sha256());
}

TEST_F(SubscriptionTest, WithoutHandlersCommandsAreAnsweredUnimplemented) {
  FakePushServer server;
  Start(server.address());
  v1::SubscribeResponse message;
  message.mutable_command()->set_id("7");
  message.mutable_command()->mutable_trip_breaker()->set_target("openai");
  server.Send(message);
  const auto answer = server.Await(Kind::kAnswer);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->answer().id(), "7");
  EXPECT_EQ(answer->answer().code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(answer->answer().message(), HasSubstr("does not serve such a command"));
}

TEST_F(SubscriptionTest, DrainConnectsAnew) {
  FakePushServer server;
  Start(server.address());
  v1::SubscribeResponse message;
  message.mutable_drain()->mutable_within()->set_nanos(50'000'000);
  server.Send(message);
  EXPECT_TRUE(Eventually([&] { return server.streams() == 2; }));
}

TEST_F(SubscriptionTest, BootsFromLastKnownGoodWithoutAControlPlane) {
  int port = 0;
  {
    FakePushServer server;
    port = server.port();
    Start(server.address());
    Acked(server, MakeUpdate(RouteYaml("chat"), 5));
    manager_.reset();
  }
  Start("127.0.0.1:" + std::to_string(port));
  EXPECT_TRUE(HasRoute("chat"));
  EXPECT_EQ(manager_->status().source, ConfigSource::kLastKnownGood);
  EXPECT_EQ(manager_->status().revision, 5u);
  EXPECT_TRUE(Eventually([&] { return !manager_->status().last_error.empty(); }));
  EXPECT_FALSE(manager_->status().connected);

  // It comes back, and has nothing newer.
  FakePushServer server(port);
  const auto hello = server.Await(Kind::kHello);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->hello().source(), v1::CONFIG_SOURCE_LAST_KNOWN_GOOD);
  EXPECT_EQ(hello->hello().revision(), 5u);
  Acked(server, MakeUpdate("", 5, false));
  EXPECT_EQ(manager_->status().source, ConfigSource::kControlPlane);
  EXPECT_EQ(manager_->status().updates_applied, 1u) << "nothing was compiled again";
  EXPECT_TRUE(HasRoute("chat"));
}

TEST_F(SubscriptionTest, ARefusedUpdateIsNeverSaved) {
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  NackOf(server, MakeUpdate("{kind: Route, name: bad, match: {model: m}, targets: [{upstream: nowhere}]}", 6));
  manager_.reset();
  Start("127.0.0.1:1");
  EXPECT_EQ(manager_->status().revision, 5u);
  EXPECT_TRUE(HasRoute("chat"));
}

TEST_F(SubscriptionTest, ControlPlaneWinsOverThePolicyFile) {
  options_.policy_path = folder_ + ".yaml";
  options_.policy_poll_interval = absl::Milliseconds(10);
  std::ofstream(options_.policy_path) << RouteYaml("from-file");
  FakePushServer server;
  Start(server.address());
  EXPECT_TRUE(HasRoute("from-file"));
  Acked(server, MakeUpdate(RouteYaml("pushed"), 5));
  EXPECT_TRUE(HasRoute("pushed"));
  std::ofstream(options_.policy_path) << RouteYaml("from-file", "second");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(HasRoute("pushed"));
  std::filesystem::remove(options_.policy_path);
}

TEST_F(SubscriptionTest, ALostStreamIsNamedWithItsReason) {
  options_.subscription.reconnect_base = options_.subscription.reconnect_max = absl::Seconds(60);
  FakePushServer server;
  Start(server.address());
  ASSERT_TRUE(server.Await(Kind::kHello));
  server.EndStream();
  ASSERT_TRUE(Eventually([&] { return !manager_->status().last_error.empty(); }));
  EXPECT_FALSE(manager_->status().connected);
  EXPECT_THAT(manager_->status().last_error,
              testing::MatchesRegex("control plane " + server.address() + ": [A-Za-z ]*ancelled[A-Za-z ]*"));
}

TEST_F(SubscriptionTest, StopsWhileNothingAnswers) {
  Start("127.0.0.1:1");
  manager_->Stop();
  EXPECT_EQ(manager_->tables().Current(), nullptr);
}

}  // namespace
}  // namespace sluice

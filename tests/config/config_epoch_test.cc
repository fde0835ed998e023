// Whose policies a data plane takes, and who it says it is.
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/config/subscription_fixture.h"

namespace sluice {
namespace {

using testing::HasSubstr;

v1::Update OfEpoch(const std::string& epoch, v1::Update update) {
  update.set_epoch(epoch);
  return update;
}

TEST_F(SubscriptionTest, AnotherStoresPoliciesReplaceOursOnlyOnPurpose) {
  {
    FakePushServer server;
    Start(server.address());
    Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  }
  FakePushServer other;
  Start(other.address());  // with what was last known good
  v1::Update update = OfEpoch("epoch-2", MakeUpdate(RouteYaml("other"), 1));
  const v1::Nack nack = NackOf(other, update);
  EXPECT_EQ(nack.violations(0).code(), "EPOCH_MISMATCH");
  EXPECT_THAT(nack.violations(0).message(), HasSubstr("epoch-1"));
  EXPECT_THAT(nack.violations(0).message(), HasSubstr("epoch-2"));
  EXPECT_TRUE(HasRoute("chat"));
  EXPECT_EQ(manager_->status().epoch, "epoch-1");
  update.set_nonce("again");
  update.add_replaces_epochs("epoch-1");
  Acked(other, update);
  EXPECT_TRUE(HasRoute("other"));
  EXPECT_FALSE(HasRoute("chat"));
  EXPECT_EQ(manager_->status().epoch, "epoch-2");
}

TEST_F(SubscriptionTest, EmptyControlPlaneTakesNothingAway) {
  {
    FakePushServer server;
    Start(server.address());
    Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  }
  FakePushServer fresh;
  Start(fresh.address());
  const v1::Nack nack = NackOf(fresh, OfEpoch("epoch-2", MakeUpdate("", 0)));
  EXPECT_EQ(nack.violations(0).code(), "EPOCH_MISMATCH");
  EXPECT_TRUE(HasRoute("chat"));
}

TEST_F(SubscriptionTest, WhoRunsAPolicyFileTakesAnyEpoch) {
  options_.policy_path = folder_ + ".yaml";
  std::ofstream(options_.policy_path) << RouteYaml("from-file");
  FakePushServer server;
  Start(server.address());
  // One that never had policies, and then has some.
  Acked(server, OfEpoch("epoch-2", MakeUpdate("", 0)));
  EXPECT_TRUE(HasRoute("from-file"));
  Acked(server, OfEpoch("epoch-3", MakeUpdate(RouteYaml("pushed"), 1)));
  EXPECT_TRUE(HasRoute("pushed"));
  std::filesystem::remove(options_.policy_path);
}

TEST_F(SubscriptionTest, WhatIsHeldIsToldInPieces) {
  options_.subscription.on_query = [this](const v1::Query& query) {
    v1::Answer answer;
    *answer.mutable_policies() = manager_->PoliciesPiece(query.policies().offset());
    return answer;
  };
  FakePushServer server;
  Start(server.address());
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  v1::SubscribeResponse ask;
  ask.mutable_query()->set_id("q");
  ask.mutable_query()->mutable_policies();
  server.Send(ask);
  const auto answer = server.Await(Kind::kAnswer);
  ASSERT_TRUE(answer);
  const v1::PoliciesInForce& policies = answer->answer().policies();
  EXPECT_EQ(policies.epoch(), "epoch-1");
  EXPECT_EQ(policies.revision(), 5u);
  v1::PolicyBundle bundle;
  ASSERT_TRUE(bundle.ParseFromString(policies.data()));
  ASSERT_EQ(bundle.resources_size(), 2);
  EXPECT_EQ(bundle.resources(0).kind(), "Route");
  EXPECT_EQ(bundle.resources(1).name(), "u");
}

TEST_F(SubscriptionTest, EachStartHasAnIdOfItsOwnThatItKeeps) {
  FakePushServer server;
  Start(server.address());
  const auto hello = server.Await(Kind::kHello);
  ASSERT_TRUE(hello);
  EXPECT_NE(hello->hello().instance_id(), "");
  server.EndStream();
  const auto again = server.Await(Kind::kHello);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->hello().instance_id(), hello->hello().instance_id());
  Start(server.address());
  const auto restarted = server.Await(Kind::kHello);
  ASSERT_TRUE(restarted);
  EXPECT_NE(restarted->hello().instance_id(), hello->hello().instance_id());
}

TEST_F(SubscriptionTest, ItSaysGoodbyeWhenItStops) {
  FakePushServer server;
  Start(server.address());
  ASSERT_TRUE(server.Await(Kind::kHello));
  manager_->Stop();
  const auto goodbye = server.Await(Kind::kGoodbye);
  ASSERT_TRUE(goodbye);
  EXPECT_NE(goodbye->goodbye().reason(), "");
}

// The control plane neither reads nor ends the stream.
TEST_F(SubscriptionTest, AGoodbyeThatNobodyTakesHoldsUpNothing) {
  options_.subscription.goodbye_within = absl::Milliseconds(50);
  FakePushServer server;
  server.IgnoreEnds();
  Start(server.address());
  ASSERT_TRUE(server.Await(Kind::kHello));
  manager_->Stop();  // hangs if it waits for more than its time
  EXPECT_TRUE(server.Await(Kind::kGoodbye));
}

TEST_F(SubscriptionTest, ThatItsIdIsInUseIsSaidOnceAndTriedAgain) {
  // A stream that lives for so long would be taken for one that is accepted.
  options_.subscription.health_interval = absl::Minutes(1);
  std::ostringstream log;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
  FakePushServer server;
  server.Refuse(grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "node id \"edge-1\" is in use by another"));
  Start(server.address());
  ASSERT_TRUE(Eventually([&] { return server.streams() >= 4; }));
  EXPECT_THAT(manager_->status().last_error, HasSubstr("node id \"edge-1\" is in use by another"));
  EXPECT_FALSE(manager_->status().connected);
  server.Refuse(grpc::Status::OK);
  Acked(server, MakeUpdate(RouteYaml("chat"), 5));
  EXPECT_TRUE(manager_->status().connected);
  manager_->Stop();
  spdlog::set_default_logger(before);
  const std::string text = log.str();
  const size_t first = text.find("is in use by another");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("is in use by another", first + 1), std::string::npos) << text;
  // Before it was refused for the first time, and when it was taken.
  const size_t connected = text.find("connected to the control plane");
  const size_t taken = text.find("connected to the control plane", connected + 1);
  EXPECT_NE(taken, std::string::npos);
  EXPECT_EQ(text.find("connected to the control plane", taken + 1), std::string::npos) << text;
}

}  // namespace
}  // namespace sluice

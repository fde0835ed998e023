#include "server/config/resource_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "tests/config/policies.h"

namespace sluice {
namespace {

ResourceSet Held() { return ApplyUpdate({}, MakeUpdate(kTwoEndpoints, 5)).set; }

std::string CodeOf(const UpdatedSet& updated) {
  return updated.violations.empty() ? "" : updated.violations.front().code();
}

v1::Update Empty(uint64_t revision) {
  v1::Update update;
  update.set_epoch("epoch-1");
  update.set_revision(revision);
  return update;
}

TEST(ResourceSetTest, SnapshotReplacesEverything) {
  const auto updated = ApplyUpdate(Held(), MakeUpdate("{kind: RetryPolicy, name: default}", 6));
  ASSERT_EQ(CodeOf(updated), "");
  ASSERT_EQ(updated.set.resources.size(), 1u);
  EXPECT_EQ(updated.set.revision, 6u);
}

TEST(ResourceSetTest, DifferenceKeepsTheRestAndRemovals) {
  v1::Update update = MakeUpdate("{kind: RetryPolicy, name: default}", 6, false);
  v1::ResourceRef* removal = update.add_removals();
  removal->set_kind("route");
  removal->set_name("chat");
  const auto updated = ApplyUpdate(Held(), update);
  ASSERT_EQ(CodeOf(updated), "");
  EXPECT_EQ(updated.set.resources.count({"Route", "chat"}), 0u);
  EXPECT_EQ(updated.set.resources.count({"Upstream", "openai"}), 1u);
  EXPECT_EQ(updated.set.resources.at({"RetryPolicy", "default"}).version, 6u);
}

TEST(ResourceSetTest, LowerRevisionOfTheSameEpochIsRefused) {
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), MakeUpdate(kTwoEndpoints, 4))), "REVISION_BEHIND");
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), Empty(5))), "");
}

TEST(ResourceSetTest, AnotherEpochIsTakenOnlyWhereItIsSaidToReplaceOurs) {
  v1::Update update = MakeUpdate(kTwoEndpoints, 1);
  update.set_epoch("epoch-2");
  const UpdatedSet refused = ApplyUpdate(Held(), update);
  EXPECT_EQ(CodeOf(refused), "EPOCH_MISMATCH");
  for (const char* named : {"revision 1 of epoch \"epoch-2\"", "epoch \"epoch-1\", of which this data plane runs revision 5"}) {
    EXPECT_THAT(refused.violations.front().message(), testing::HasSubstr(named));
  }
  update.add_replaces_epochs("epoch-0");
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), update)), "EPOCH_MISMATCH");
  update.add_replaces_epochs("epoch-1");
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), update)), "");
  update.set_snapshot(false);
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), update)), "EPOCH_MISMATCH") << "a difference is to what we have";
}

TEST(ResourceSetTest, WhoHoldsNothingTakesAnyEpoch) {
  v1::Update update = MakeUpdate(kTwoEndpoints, 1);
  update.set_epoch("epoch-2");
  EXPECT_EQ(CodeOf(ApplyUpdate({}, update)), "");
  // A control plane that never had policies gave nothing.
  ResourceSet nothing;
  nothing.epoch = "epoch-1";
  EXPECT_EQ(CodeOf(ApplyUpdate(nothing, update)), "");
}

TEST(ResourceSetTest, EveryUnreadableResourceIsNamed) {
  v1::Update update = Empty(6);
  for (const char* kind : {"Wizard", "Route", "Upstream"}) {
    v1::ResourceUpsert* upsert = update.add_upserts();
    upsert->set_kind(kind);
    upsert->set_name("x");
    upsert->set_spec("\xff\xff");
  }
  const auto updated = ApplyUpdate(Held(), update);
  ASSERT_EQ(updated.violations.size(), 3u);
  EXPECT_EQ(updated.violations[0].code(), "UNKNOWN_KIND");
  EXPECT_EQ(updated.violations[2].resource().kind(), "Upstream");
  EXPECT_EQ(updated.violations[2].code(), "BAD_FORM");
}

TEST(ResourceSetTest, SingleEndpointsChange) {
  v1::Update update = Empty(6);
  v1::EndpointChange* change = update.add_endpoint_changes();
  change->mutable_list()->set_kind("Upstream");
  change->mutable_list()->set_name("openai");
  change->set_version(6);
  change->add_removals("api.openai.com:443");
  v1::Endpoint* backup = change->add_upserts();
  backup->set_name("backup");
  backup->set_url("http://moved:1");
  change->add_upserts()->set_url("http://new:2");
  const auto updated = ApplyUpdate(Held(), update);
  ASSERT_EQ(CodeOf(updated), "");
  const auto& held = updated.set.resources.at({"Upstream", "openai"});
  EXPECT_EQ(held.version, 6u);
  const auto& endpoints = held.resource->upstream().endpoints();
  ASSERT_EQ(endpoints.size(), 2);
  EXPECT_EQ(endpoints[0].url(), "http://moved:1");
  EXPECT_EQ(endpoints[1].url(), "http://new:2");
  // What it was made from is shared with others and stays as it was.
  EXPECT_EQ(Held().resources.at({"Upstream", "openai"}).resource->upstream().endpoints_size(), 2);
}

TEST(ResourceSetTest, ChangeOfAListThatIsNotHeldIsRefused) {
  v1::Update update = Empty(6);
  update.add_endpoint_changes()->mutable_list()->set_kind("EndpointList");
  update.mutable_endpoint_changes(0)->mutable_list()->set_name("absent");
  EXPECT_EQ(CodeOf(ApplyUpdate(Held(), update)), "UNKNOWN_REFERENCE");
}

TEST(ResourceSetTest, ItsSnapshotMakesItAgain) {
  const ResourceSet again = ApplyUpdate({}, Held().ToSnapshot()).set;
  EXPECT_EQ(again.Sha256(), Held().Sha256());
  EXPECT_EQ(again.epoch, "epoch-1");
  EXPECT_EQ(again.revision, 5u);
  EXPECT_NE(again.Sha256(), ApplyUpdate({}, MakeUpdate(kTwoEndpoints, 6)).set.Sha256());
}

// The control plane compares it with its own (CatalogTest.DigestIsSha256OverTheSortedLines).
TEST(ResourceSetTest, DigestIsSha256OverTheSortedLines) {
  const auto hex = [](const ResourceSet& set) { return absl::BytesToHexString(set.Sha256()); };
  const char* one = "{kind: Upstream, name: a, format: OPENAI, endpoints: [{url: \"http://a/v1\"}]}";
  // printf 'Upstream/a@3\n' | sha256sum
  EXPECT_EQ(hex(ApplyUpdate({}, MakeUpdate(one, 3)).set), "11b4ff97aa822d066f367fcded6c4e0edff96de143ce7fd056e20fab634eed88");
  // printf 'Route/chat@5\nUpstream/openai@5\n' | sha256sum
  EXPECT_EQ(hex(Held()), "b54e41bec3b69e7f49848765709719648456082e2d652f9725999e6986734e41");
}

}  // namespace
}  // namespace sluice

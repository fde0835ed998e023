#include <gtest/gtest.h>

#include "controlplane/push/catalog.h"
#include "controlplane/push/debounce.h"
#include "controlplane/push/update_plan.h"
#include "gmock/gmock.h"
#include "proto/policy/endpoint_change.h"
#include "tests/controlplane/policies.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

StoreEvent Event(uint64_t revision, std::vector<v1::Resource> puts, std::vector<ResourceKey> deletes = {}) {
  StoreEvent event;
  event.revision = revision;
  for (v1::Resource& put : puts) {
    StampResource(put, "epoch", revision);
    std::string kind = put.has_upstream() ? "Upstream" : put.has_route() ? "Route" : "EndpointList";
    event.items.push_back({{kind, put.meta().name()}, std::make_shared<v1::Resource>(put)});
  }
  for (const ResourceKey& key : deletes) event.items.push_back({key, nullptr});
  return event;
}

UpdatePlanPtr Plan(CatalogPtr base, CatalogPtr target, size_t max_bytes = kMaxChunkBytes) {
  return MakePlan({base, target, "epoch", "nonce", max_bytes});
}

std::vector<std::string> Upserts(const UpdatePlan& plan) {
  std::vector<std::string> names;
  for (const auto& chunk : plan.chunks) {
    for (const auto& upsert : chunk.update().upserts()) names.push_back(upsert.kind() + "/" + upsert.name());
  }
  return names;
}

TEST(UpdatePlanTest, WithoutABaseEverythingIsSentAsASnapshotReferredFirst) {
  CatalogPtr target = NextCatalog(Catalog{}, Event(1, {MakeRoute("r", "u"), MakeUpstream("u")}));
  UpdatePlanPtr plan = Plan(nullptr, target);
  ASSERT_EQ(plan->chunks.size(), 1);
  EXPECT_TRUE(plan->chunks[0].update().snapshot());
  EXPECT_TRUE(plan->chunks[0].update().last_chunk());
  EXPECT_THAT(Upserts(*plan), ElementsAre("Upstream/u", "Route/r"));
}

TEST(UpdatePlanTest, ADifferenceNamesWhatIsGone) {
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {MakeUpstream("a"), MakeUpstream("b"), MakeUpstream("c")}));
  CatalogPtr second = NextCatalog(*first, Event(2, {MakeUpstream("d")}, {{"Upstream", "a"}, {"Upstream", "c"}}));
  UpdatePlanPtr plan = Plan(first, second);
  const v1::Update& update = plan->chunks.at(0).update();
  EXPECT_FALSE(update.snapshot());
  EXPECT_THAT(Upserts(*plan), ElementsAre("Upstream/d"));
  ASSERT_EQ(update.removals_size(), 2);
  EXPECT_EQ(update.removals(0).name(), "a");
  EXPECT_EQ(update.removals(1).name(), "c");
}

TEST(UpdatePlanTest, WhatIsGoneIsNamedWhereverItStood) {
  CatalogPtr all = NextCatalog(Catalog{}, Event(1, {MakeRoute("r", "b"), MakeUpstream("a"), MakeUpstream("b")}));
  for (const ResourceKey& gone : {all->entries.front()->key, all->entries.back()->key}) {
    UpdatePlanPtr plan = Plan(all, NextCatalog(*all, Event(2, {}, {gone})));
    const v1::Update& update = plan->chunks.at(0).update();
    ASSERT_EQ(update.removals_size(), 1) << gone.kind << "/" << gone.name;
    EXPECT_EQ(update.removals(0).kind(), gone.kind);
    EXPECT_EQ(update.removals(0).name(), gone.name);
  }
  UpdatePlanPtr nothing_left = Plan(all, std::make_shared<Catalog>());
  EXPECT_EQ(nothing_left->chunks.at(0).update().removals_size(), 3);
}

TEST(UpdatePlanTest, TheSameOnBothSidesIsAnEmptyUpdate) {
  CatalogPtr catalog = NextCatalog(Catalog{}, Event(1, {MakeUpstream("a")}));
  UpdatePlanPtr plan = Plan(catalog, catalog);
  ASSERT_EQ(plan->chunks.size(), 1);
  EXPECT_THAT(Upserts(*plan), IsEmpty());
  EXPECT_EQ(plan->chunks[0].update().removals_size(), 0);
  EXPECT_TRUE(plan->chunks[0].update().last_chunk());
}

TEST(UpdatePlanTest, ChunksStayBelowTheirBoundAndOnlyTheLastSaysSo) {
  std::vector<v1::Resource> lists;
  for (int i = 0; i < 40; ++i) lists.push_back(MakeEndpointList("l" + std::to_string(i), 2000));
  CatalogPtr target = NextCatalog(Catalog{}, Event(1, std::move(lists)));
  UpdatePlanPtr plan = Plan(nullptr, target);
  ASSERT_GT(plan->chunks.size(), 2);
  for (size_t i = 0; i < plan->chunks.size(); ++i) {
    EXPECT_LT(plan->chunks[i].ByteSizeLong(), 1u << 20);
    EXPECT_EQ(plan->chunks[i].update().last_chunk(), i + 1 == plan->chunks.size());
    EXPECT_EQ(plan->chunks[i].update().nonce(), "nonce");
  }
  EXPECT_EQ(Upserts(*plan).size(), 40);
}

TEST(UpdatePlanTest, OneEndpointOfTenThousandCostsLessThanTwoKilobytes) {
  v1::Resource list = MakeEndpointList("pool", 10000);
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {list}));
  list.mutable_endpoint_list()->mutable_endpoints(5000)->set_weight(7);
  list.mutable_endpoint_list()->mutable_endpoints()->DeleteSubrange(17, 1);
  list.mutable_endpoint_list()->add_endpoints()->set_name("fresh");
  CatalogPtr second = NextCatalog(*first, Event(2, {list}));
  UpdatePlanPtr plan = Plan(first, second);
  EXPECT_THAT(Upserts(*plan), IsEmpty());
  ASSERT_EQ(plan->chunks.at(0).update().endpoint_changes_size(), 1);
  EXPECT_LT(plan->chunks[0].ByteSizeLong(), 2048);

  v1::Resource node = MakeEndpointList("pool", 10000);
  ApplyEndpointChange(plan->chunks[0].update().endpoint_changes(0), *node.mutable_endpoint_list()->mutable_endpoints());
  EXPECT_EQ(node.endpoint_list().SerializeAsString(), list.endpoint_list().SerializeAsString());
}

TEST(UpdatePlanTest, EndpointsNamedByTheirUrlChangeOneByOneToo) {
  v1::Resource list = MakeEndpointList("pool", 10000);
  for (int i = 0; i < 10000; ++i) {
    v1::Endpoint& endpoint = *list.mutable_endpoint_list()->mutable_endpoints(i);
    endpoint.clear_name();
    endpoint.set_url("http://10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "/v1");
  }
  const v1::EndpointList before = list.endpoint_list();
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {list}));
  list.mutable_endpoint_list()->mutable_endpoints(5000)->set_weight(7);
  list.mutable_endpoint_list()->mutable_endpoints()->DeleteSubrange(17, 1);
  UpdatePlanPtr plan = Plan(first, NextCatalog(*first, Event(2, {list})));
  EXPECT_THAT(Upserts(*plan), IsEmpty());
  ASSERT_EQ(plan->chunks.at(0).update().endpoint_changes_size(), 1);
  EXPECT_LT(plan->chunks[0].ByteSizeLong(), 2048);

  v1::EndpointList node = before;
  ApplyEndpointChange(plan->chunks[0].update().endpoint_changes(0), *node.mutable_endpoints());
  EXPECT_EQ(node.SerializeAsString(), list.endpoint_list().SerializeAsString());
}

TEST(UpdatePlanTest, WhatEndpointChangesCannotSayIsSentWhole) {
  v1::Resource list = MakeEndpointList("pool", 100);
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {list}));
  list.mutable_endpoint_list()->mutable_endpoints()->SwapElements(0, 99);  // another order
  CatalogPtr second = NextCatalog(*first, Event(2, {list}));
  EXPECT_THAT(Upserts(*Plan(first, second)), ElementsAre("EndpointList/pool"));
  list.mutable_endpoint_list()->mutable_endpoints(3)->clear_name();
  CatalogPtr third = NextCatalog(*second, Event(3, {list}));
  EXPECT_THAT(Upserts(*Plan(second, third)), ElementsAre("EndpointList/pool"));
}

TEST(CatalogTest, UntouchedEntriesAreSharedNotCopied) {
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {MakeUpstream("a"), MakeUpstream("b")}));
  CatalogPtr second = NextCatalog(*first, Event(2, {MakeUpstream("b", "http://127.0.0.1:2/v1")}));
  EXPECT_EQ(first->entries[0], second->entries[0]);
  EXPECT_NE(first->entries[1], second->entries[1]);
}

TEST(CatalogTest, DigestIsSha256OverTheSortedLines) {
  CatalogPtr catalog = NextCatalog(Catalog{}, Event(3, {MakeUpstream("a")}));
  std::string hex;
  for (unsigned char c : DigestOf(*catalog)) {
    static const char kDigits[] = "0123456789abcdef";
    hex += kDigits[c >> 4];
    hex += kDigits[c & 15];
  }
  // printf 'Upstream/a@3\n' | sha256sum
  EXPECT_EQ(hex, "11b4ff97aa822d066f367fcded6c4e0edff96de143ce7fd056e20fab634eed88");
}

TEST(CatalogTest, LosingOrDrainingAnEndpointIsUrgentAddingOneIsNot) {
  v1::Resource list = MakeEndpointList("pool", 3);
  CatalogPtr first = NextCatalog(Catalog{}, Event(1, {list}));
  v1::Resource more = MakeEndpointList("pool", 4);
  EXPECT_FALSE(RemovesEndpoints(*first, Event(2, {more})));
  v1::Resource fewer = MakeEndpointList("pool", 2);
  EXPECT_TRUE(RemovesEndpoints(*first, Event(2, {fewer})));
  list.mutable_endpoint_list()->mutable_endpoints(1)->set_state(v1::ENDPOINT_STATE_DISABLED);
  EXPECT_TRUE(RemovesEndpoints(*first, Event(2, {list})));
  EXPECT_TRUE(RemovesEndpoints(*first, Event(2, {}, {{"EndpointList", "pool"}})));
  EXPECT_FALSE(RemovesEndpoints(*first, Event(2, {MakeUpstream("new")})));
}

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

TEST(DebounceTest, TheFirstChangeIsDueAtOnce) {
  Debounce debounce(absl::Milliseconds(50), absl::Seconds(1));
  EXPECT_EQ(debounce.due(), absl::InfiniteFuture());
  debounce.OnChange(kStart, false);
  EXPECT_EQ(debounce.due(), kStart);
}

TEST(DebounceTest, WhatFollowsWaitsForQuiet) {
  Debounce debounce(absl::Milliseconds(50), absl::Seconds(1));
  debounce.OnChange(kStart, false);
  debounce.OnPublished(kStart);
  debounce.OnChange(kStart + absl::Milliseconds(10), false);
  EXPECT_EQ(debounce.due(), kStart + absl::Milliseconds(60));
  debounce.OnChange(kStart + absl::Milliseconds(40), false);
  EXPECT_EQ(debounce.due(), kStart + absl::Milliseconds(90));
}

TEST(DebounceTest, ChangesThatNeverStopWaitOneSecondAtMost) {
  Debounce debounce(absl::Milliseconds(50), absl::Seconds(1));
  debounce.OnChange(kStart, false);
  debounce.OnPublished(kStart);
  absl::Time first = kStart + absl::Milliseconds(10);
  for (int i = 0; i < 200; ++i) debounce.OnChange(first + absl::Milliseconds(10) * i, false);
  EXPECT_EQ(debounce.due(), first + absl::Seconds(1));
}

TEST(DebounceTest, UrgentChangesNeverWait) {
  Debounce debounce(absl::Milliseconds(50), absl::Seconds(1));
  debounce.OnChange(kStart, false);
  debounce.OnPublished(kStart);
  debounce.OnChange(kStart + absl::Milliseconds(10), true);
  EXPECT_EQ(debounce.due(), kStart + absl::Milliseconds(10));
}

TEST(DebounceTest, WhatComesBeforeAnUrgentChangeHasGoneDoesNotPutItOff) {
  Debounce debounce(absl::Milliseconds(50), absl::Seconds(1));
  debounce.OnChange(kStart, false);
  debounce.OnPublished(kStart);
  debounce.OnChange(kStart + absl::Milliseconds(10), true);
  debounce.OnChange(kStart + absl::Milliseconds(11), false);
  EXPECT_EQ(debounce.due(), kStart + absl::Milliseconds(10));
}

}  // namespace
}  // namespace sluice

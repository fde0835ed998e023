// The contract of Store, for every implementation: ordered, unique, atomic,
// durable, resumable.
#include "controlplane/store/store.h"

#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/policies.h"
#include "tests/support/file_steps.h"

namespace sluice {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Implementation {
  std::string name;
  // Opens the same store every time for the same folder.
  std::function<absl::StatusOr<std::unique_ptr<Store>>(const TempFolder&, StoreLimits)> open;
};

class StoreContractTest : public testing::TestWithParam<Implementation> {
 protected:
  void SetUp() override { Open({}); }

  void Open(StoreLimits limits) {
    store_.reset();
    auto store = GetParam().open(folder_, limits);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  PolicyStatePtr Current() { return *store_->Current(); }

  StoreWrite Write(std::vector<v1::Resource> puts, std::vector<ResourceKey> deletes = {}) {
    StoreWrite write;
    write.expected_revision = Current()->revision;
    write.puts = std::move(puts);
    write.deletes = std::move(deletes);
    return write;
  }

  uint64_t Commit(std::vector<v1::Resource> puts, std::vector<ResourceKey> deletes = {}) {
    auto state = store_->Commit(Write(std::move(puts), std::move(deletes)));
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? (*state)->revision : 0;
  }

  static std::string UrlAt(const PolicyState& state, const std::string& name) {
    auto found = state.resources.find({"Upstream", name});
    return found == state.resources.end() ? "" : found->second->upstream().endpoints(0).url();
  }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContractTest, StartsEmptyAtRevisionZero) {
  EXPECT_EQ(Current()->revision, 0);
  EXPECT_TRUE(Current()->resources.empty());
  EXPECT_FALSE(store_->epoch().empty());
}

TEST_P(StoreContractTest, EveryCommitIsTheNextRevision) {
  EXPECT_EQ(Commit({MakeUpstream("a")}), 1);
  EXPECT_EQ(Commit({MakeUpstream("b")}), 2);
  EXPECT_EQ(Commit({}, {{"Upstream", "a"}}), 3);
  EXPECT_EQ(UrlAt(*Current(), "a"), "");
  EXPECT_NE(UrlAt(*Current(), "b"), "");
}

TEST_P(StoreContractTest, ResourcesCarryTheRevisionThatChangedThemAndANewEtag) {
  Commit({MakeUpstream("a"), MakeUpstream("b")});
  std::string first = Current()->resources.at({"Upstream", "a"})->meta().etag();
  Commit({MakeUpstream("a", "http://127.0.0.1:2/v1")});
  EXPECT_EQ(Current()->resources.at({"Upstream", "a"})->meta().revision(), 2);
  EXPECT_EQ(Current()->resources.at({"Upstream", "b"})->meta().revision(), 1);
  EXPECT_NE(Current()->resources.at({"Upstream", "a"})->meta().etag(), first);
}

TEST_P(StoreContractTest, RefusesAWriteComputedFromAnOlderRevision) {
  StoreWrite late = Write({MakeUpstream("b")});
  Commit({MakeUpstream("a")});
  EXPECT_EQ(store_->Commit(std::move(late)).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Current()->revision, 1);
  EXPECT_EQ(UrlAt(*Current(), "b"), "");
}

TEST_P(StoreContractTest, OldRevisionsCanBeRead) {
  Commit({MakeUpstream("a", "http://127.0.0.1:1/v1")});
  Commit({MakeUpstream("a", "http://127.0.0.1:2/v1")});
  Commit({}, {{"Upstream", "a"}});
  EXPECT_EQ(UrlAt(**store_->At(1), "a"), "http://127.0.0.1:1/v1");
  EXPECT_EQ(UrlAt(**store_->At(2), "a"), "http://127.0.0.1:2/v1");
  EXPECT_TRUE((*store_->At(3))->resources.empty());
  EXPECT_TRUE((*store_->At(0))->resources.empty());
  EXPECT_EQ(store_->At(4).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(StoreContractTest, ReopeningKeepsEpochRevisionAndContent) {
  Commit({MakeUpstream("a")});
  Commit({MakeRetryPolicy("default", 4)});
  std::string epoch = store_->epoch();
  absl::Time committed = Current()->committed;
  Open({});
  EXPECT_EQ(store_->epoch(), epoch);
  EXPECT_EQ(Current()->revision, 2);
  EXPECT_EQ(Current()->committed, committed);
  EXPECT_EQ(Current()->resources.size(), 2);
  EXPECT_EQ(Commit({MakeUpstream("b")}), 3);
}

TEST_P(StoreContractTest, AnswersOfRequestsSurviveReopening) {
  StoreWrite write = Write({MakeUpstream("a")});
  write.request_id = "once";
  write.answer = {"print", "bytes\0more"};
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  Open({});
  auto answer = store_->FindAnswer("once");
  ASSERT_TRUE(answer.ok() && answer->has_value());
  EXPECT_EQ((*answer)->fingerprint, "print");
  EXPECT_FALSE(store_->FindAnswer("never")->has_value());
}

TEST_P(StoreContractTest, AWriteWithoutChangesOnlyRemembersTheAnswer) {
  StoreWrite write = Write({});
  write.request_id = "nothing";
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  EXPECT_EQ(Current()->revision, 0);
  EXPECT_TRUE(store_->FindAnswer("nothing")->has_value());
}

TEST_P(StoreContractTest, ForgetsTheOldestAnswersAboveItsLimit) {
  Open({.keep_revisions = 100, .keep_answers = 3});
  for (int i = 0; i < 5; ++i) {
    StoreWrite write = Write({MakeRetryPolicy("p", i + 1)});
    write.request_id = "r" + std::to_string(i);
    ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  }
  EXPECT_FALSE(store_->FindAnswer("r1")->has_value());
  EXPECT_TRUE(store_->FindAnswer("r2")->has_value());
  EXPECT_TRUE(store_->FindAnswer("r4")->has_value());
}

TEST_P(StoreContractTest, HistoryIsNewestFirstAndCanBeAskedForOneResource) {
  for (int i = 1; i <= 3; ++i) {
    StoreWrite write = Write({MakeRetryPolicy(i == 2 ? "other" : "p", i)});
    write.record.set_reason("change " + std::to_string(i));
    ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  }
  auto reasons = [this](const HistoryQuery& query) {
    std::vector<std::string> result;
    auto revisions = store_->History(query);
    EXPECT_TRUE(revisions.ok()) << revisions.status();
    for (const v1::Revision& revision : *revisions) result.push_back(revision.reason());
    return result;
  };
  EXPECT_THAT(reasons({}), ElementsAre("change 3", "change 2", "change 1"));
  EXPECT_THAT(reasons({.resource = {}, .limit = 1}), ElementsAre("change 3"));
  EXPECT_THAT(reasons({.resource = {}, .limit = 9, .before_revision = 3}), ElementsAre("change 2", "change 1"));
  EXPECT_THAT(reasons({.resource = ResourceKey{"RetryPolicy", "p"}, .limit = 9}), ElementsAre("change 3", "change 1"));
}

TEST_P(StoreContractTest, CompactionKeepsTheLastRevisionsWhole) {
  Open({.keep_revisions = 5});
  Commit({MakeUpstream("steady")});
  for (int i = 1; i <= 20; ++i) Commit({MakeRetryPolicy("p", 1 + i % 9)});
  Commit({}, {{"RetryPolicy", "p"}});
  ASSERT_EQ(Current()->revision, 22);
  EXPECT_EQ(store_->At(10).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(store_->At(10).status().message()), HasSubstr("compacted"));
  for (uint64_t revision = 18; revision <= 22; ++revision) {
    auto state = store_->At(revision);
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_EQ((*state)->resources.count({"Upstream", "steady"}), 1) << revision;
    auto policy = (*state)->resources.find({"RetryPolicy", "p"});
    ASSERT_EQ(policy != (*state)->resources.end(), revision < 22) << revision;
    // Revision r was written by step r - 1.
    if (revision < 22) {
      EXPECT_EQ(policy->second->retry_policy().max_attempts(), 1 + (revision - 1) % 9);
    }
  }
  Open({.keep_revisions = 5});
  EXPECT_EQ(Current()->revision, 22);
  EXPECT_EQ(Current()->resources.size(), 1);
}

TEST_P(StoreContractTest, WatchReplaysWhatCameAfterARevisionAndGoesOnLive) {
  Commit({MakeUpstream("a")});
  Commit({MakeUpstream("b")});
  std::vector<uint64_t> seen;
  std::vector<std::string> names;
  auto watch = store_->Watch(1, [&](const StoreEvent& event) {
    seen.push_back(event.revision);
    for (const auto& item : event.items) names.push_back((item.resource ? "+" : "-") + item.key.name);
  });
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_THAT(seen, ElementsAre(2));
  Commit({MakeUpstream("c")}, {{"Upstream", "a"}});
  EXPECT_THAT(seen, ElementsAre(2, 3));
  EXPECT_THAT(names, ElementsAre("+b", "-a", "+c"));
  watch->reset();
  Commit({MakeUpstream("d")});
  EXPECT_THAT(seen, ElementsAre(2, 3));
}

TEST_P(StoreContractTest, WatchFromACompactedRevisionIsRefused) {
  Open({.keep_revisions = 2});
  for (int i = 0; i < 20; ++i) Commit({MakeRetryPolicy("p", 1 + i % 9)});
  EXPECT_EQ(store_->Watch(1, [](const StoreEvent&) {}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(store_->Watch(20, [](const StoreEvent&) {}).ok());
}

TEST_P(StoreContractTest, HistoryIsBoundedByBytesToo) {
  Open({.keep_bytes = 4 << 20});
  Commit({MakeUpstream("kept")});
  v1::Resource large = MakeRetryPolicy("p", 1);
  for (int i = 0; i < 100; ++i) {
    (*large.mutable_meta()->mutable_annotations())["note"] = std::string(100000, static_cast<char>('a' + i % 26));
    Commit({large});
  }
  // 4 MiB hold about forty of them.
  EXPECT_EQ(store_->At(40).status().code(), absl::StatusCode::kOutOfRange);
  for (uint64_t revision : {75, 90, 101}) {
    auto state = store_->At(revision);
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_EQ((*state)->resources.size(), 2);
  }
}

TEST_P(StoreContractTest, ALastFewRevisionsAreKeptHoweverLarge) {
  Open({.keep_bytes = 1 << 20});
  v1::Resource large = MakeRetryPolicy("p", 1);
  for (int i = 0; i < 30; ++i) {
    (*large.mutable_meta()->mutable_annotations())["note"] = std::string(400000, static_cast<char>('a' + i % 26));
    Commit({large});
  }
  for (uint64_t revision = 21; revision <= 30; ++revision) EXPECT_TRUE(store_->At(revision).ok()) << revision;
  EXPECT_FALSE(store_->At(10).ok());
}

TEST_P(StoreContractTest, TellsWhereItIs) {
  EXPECT_EQ(store_->location(), "sqlite:" + folder_.File("store.db"));
}

TEST_P(StoreContractTest, ACopyHasAllThatWasCommittedBeforeItBegan) {
  Commit({MakeUpstream("a")});
  Commit({MakeUpstream("b")});
  auto copy = store_->Copy([] { return false; });
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ((*copy)->epoch(), store_->epoch());
  EXPECT_EQ((*copy)->revision(), 2);
  std::string bytes;
  for (;;) {
    auto part = (*copy)->Read(1000);
    ASSERT_TRUE(part.ok()) << part.status();
    if (part->empty()) break;
    EXPECT_LE(part->size(), 1000);
    bytes += *part;
  }
  EXPECT_EQ(bytes.size(), (*copy)->size_bytes());
}

TEST_P(StoreContractTest, OneCopyAtATimeUntilItsReaderIsDone) {
  Commit({MakeUpstream("a")});
  auto copy = store_->Copy([] { return false; });
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ(store_->Copy([] { return false; }).status().code(), absl::StatusCode::kResourceExhausted);
  copy->reset();
  EXPECT_TRUE(store_->Copy([] { return false; }).ok());
}

TEST_P(StoreContractTest, ACancelledCopyEndsAndLeavesRoomForTheNext) {
  Commit({MakeUpstream("a")});
  EXPECT_EQ(store_->Copy([] { return true; }).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(store_->Copy([] { return false; }).ok());
}

TEST_P(StoreContractTest, CommitsGoOnWhileACopyIsMade) {
  Commit({MakeUpstream("a")});
  v1::Resource large = MakeRetryPolicy("p", 1);
  // Many steps long.
  for (int i = 0; i < 20; ++i) {
    (*large.mutable_meta()->mutable_annotations())["note"] = std::string(200000, static_cast<char>('a' + i));
    Commit({large});
  }
  uint64_t committed = 0;
  auto copy = store_->Copy([&] {
    committed = Commit({MakeRetryPolicy("q", 1 + static_cast<int>(committed) % 9)});
    return false;
  });
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_GT(committed, 23);
  // Whole, at some revision of the meantime.
  EXPECT_GE((*copy)->revision(), 21);
  EXPECT_LE((*copy)->revision(), committed);
}

TEST_P(StoreContractTest, ANewStoreComesFromNowhereAndReplacesNothing) {
  const Lineage lineage = store_->lineage();
  EXPECT_EQ(lineage.parent_epoch, "");
  EXPECT_EQ(lineage.parent_revision, 0);
  EXPECT_THAT(lineage.replaces_epochs, IsEmpty());
}

TEST_P(StoreContractTest, ReplacedEpochsComeWithTheirRevisionAndSurviveReopening) {
  std::vector<StoreEvent> seen;
  auto watch = store_->Watch(0, [&seen](const StoreEvent& event) { seen.push_back(event); });
  StoreWrite write = Write({MakeUpstream("a")});
  write.replaces_epochs = {"before", store_->epoch(), "before"};
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  Commit({MakeUpstream("b")});
  EXPECT_THAT(store_->lineage().replaces_epochs, ElementsAre("before"));
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[0].items.size(), 1);
  EXPECT_THAT(seen[0].replaces_epochs, ElementsAre("before"));
  EXPECT_THAT(seen[1].replaces_epochs, ElementsAre("before"));
  watch->reset();
  Open({});
  EXPECT_THAT(store_->lineage().replaces_epochs, ElementsAre("before"));
}

TEST_P(StoreContractTest, ReplacedEpochsAloneMakeNoRevisionAndWatchersLearnThem) {
  Commit({MakeUpstream("a")});
  std::vector<StoreEvent> seen;
  auto watch = store_->Watch(1, [&seen](const StoreEvent& event) { seen.push_back(event); });
  for (const char* epoch : {"x", "y", "x"}) {
    StoreWrite write = Write({});
    write.replaces_epochs = {epoch};
    ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  }
  EXPECT_EQ(Current()->revision, 1);
  // The third told nothing new.
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[1].revision, 1);
  EXPECT_THAT(seen[1].items, IsEmpty());
  EXPECT_THAT(seen[1].replaces_epochs, ElementsAre("x", "y"));
}

TEST_P(StoreContractTest, ARefusedWriteLeavesNoReplacedEpochs) {
  StoreWrite late = Write({MakeUpstream("b")});
  late.replaces_epochs = {"before"};
  Commit({MakeUpstream("a")});
  EXPECT_EQ(store_->Commit(std::move(late)).status().code(), absl::StatusCode::kAborted);
  for (const std::string& bad : {std::string(), std::string(kMaxEpochBytes + 1, 'x')}) {
    StoreWrite write = Write({MakeUpstream("b")});
    write.replaces_epochs = {"good", bad};
    EXPECT_EQ(store_->Commit(std::move(write)).status().code(), absl::StatusCode::kInvalidArgument) << bad.size();
  }
  EXPECT_THAT(store_->lineage().replaces_epochs, IsEmpty());
  EXPECT_EQ(Current()->revision, 1);
}

TEST_P(StoreContractTest, TheNewestReplacedEpochsAreKept) {
  StoreWrite write = Write({});
  for (size_t i = 0; i < kMaxReplacedEpochs + 2; ++i) write.replaces_epochs.push_back("e" + std::to_string(i));
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  const std::vector<std::string> kept = store_->lineage().replaces_epochs;
  ASSERT_EQ(kept.size(), kMaxReplacedEpochs);
  EXPECT_EQ(kept.front(), "e2");
  EXPECT_EQ(kept.back(), "e" + std::to_string(kMaxReplacedEpochs + 1));
}

TEST_P(StoreContractTest, ANewEpochReplacesTheOneBeforeAndSurvivesReopening) {
  Commit({MakeUpstream("a")});
  const std::string first = store_->epoch();
  std::vector<StoreEvent> seen;
  auto watch = *store_->Watch(1, [&](const StoreEvent& event) { seen.push_back(event); });
  // With a change, and alone.
  StoreWrite write = Write({MakeUpstream("b")});
  write.new_epoch = true;
  write.replaces_epochs = {"theirs"};
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  const std::string second = store_->epoch();
  EXPECT_NE(second, first);
  EXPECT_EQ(Current()->revision, 2) << "revisions go on";
  EXPECT_THAT(store_->lineage().replaces_epochs, ElementsAre("theirs", first));
  StoreWrite alone = Write({});
  alone.new_epoch = true;
  ASSERT_TRUE(store_->Commit(std::move(alone)).ok());
  const std::string third = store_->epoch();
  EXPECT_EQ(Current()->revision, 2);
  EXPECT_THAT(store_->lineage().replaces_epochs, ElementsAre("theirs", first, second));
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[0].epoch, second);
  EXPECT_EQ(seen[1].epoch, third);
  EXPECT_THAT(seen[1].items, IsEmpty());
  watch.reset();
  Open({});
  EXPECT_EQ(store_->epoch(), third);
  EXPECT_THAT(store_->lineage().replaces_epochs, ElementsAre("theirs", first, second));
}

INSTANTIATE_TEST_SUITE_P(
    Implementations, StoreContractTest,
    testing::Values(Implementation{"Sqlite",
                                   [](const TempFolder& folder, StoreLimits limits) {
                                     return OpenStore("sqlite:" + folder.File("store.db"), limits);
                                   }}),
    [](const auto& info) { return info.param.name; });

// That a process was killed shows nothing of it: the kernel keeps what was written.
TEST(SqliteStoreTest, ACommitIsOnTheDiskBeforeItIsAcknowledged) {
  TempFolder folder;
  auto store = OpenStore(folder.File("store.db"), {});
  ASSERT_TRUE(store.ok()) << store.status();
  for (int i = 0; i < 3; ++i) {
    TakeFileSteps();
    StoreWrite write;
    write.expected_revision = static_cast<uint64_t>(i);
    write.puts = {MakeUpstream("u" + std::to_string(i))};
    ASSERT_TRUE((*store)->Commit(std::move(write)).ok());
    EXPECT_THAT(TakeFileSteps(), Contains("sync " + folder.File("store.db-wal")));
  }
}

TEST(SqliteStoreTest, EtcdIsNamedAsNotServed) {
  EXPECT_EQ(OpenStore("etcd://127.0.0.1:2379", {}).status().code(), absl::StatusCode::kUnimplemented);
  const absl::Status other = OpenStore("redis:main", {}).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.message()), testing::HasSubstr("\"redis\" is no kind of store; write sqlite:PATH"));
}

}  // namespace
}  // namespace sluice

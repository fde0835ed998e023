// Restoring a store: what is taken, what is refused, and that either all of it
// is in place or nothing changed.
#include "controlplane/store/restore.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/policies.h"
#include "tests/controlplane/store_tools.h"
#include "tests/support/file_steps.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RestoreTest : public testing::Test {
 protected:
  absl::StatusOr<RestoreResult> Restore(bool force = false) {
    return RestoreStore({backup_, path_, force}, absl::FromUnixSeconds(1700000000));
  }

  std::unique_ptr<Store> Open() {
    auto store = OpenStore(path_, {}, StoreCreation::kNever);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.File(""))) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("store.db");
  const std::string backup_ = folder_.File("backup.db");
};

TEST_F(RestoreTest, BringsBackWhatWasBackedUpInANewEpochThatKnowsItsParent) {
  std::string epoch;
  {
    auto store = OpenStore(path_, {});
    epoch = (*store)->epoch();
    StoreWrite write;
    write.puts = {MakeUpstream("a")};
    write.replaces_epochs = {"older"};
    ASSERT_TRUE((*store)->Commit(std::move(write)).ok());
    WriteCopy(**store, backup_);
    PutUpstream(**store, "after");
  }
  std::filesystem::remove(path_);
  auto result = Restore();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->revision, 1);
  EXPECT_EQ(result->resources, 1);
  EXPECT_EQ(result->parent_epoch, epoch);
  const std::unique_ptr<Store> store = Open();
  EXPECT_EQ(store->epoch(), result->epoch);
  EXPECT_NE(store->epoch(), epoch);
  EXPECT_EQ((*store->Current())->revision, 1);
  EXPECT_TRUE((*store->Current())->resources.contains({"Upstream", "a"}));
  const Lineage lineage = store->lineage();
  EXPECT_EQ(lineage.parent_epoch, epoch);
  EXPECT_EQ(lineage.parent_revision, 1);
  EXPECT_THAT(lineage.replaces_epochs, ElementsAre("older", epoch));
  PutUpstream(*store, "goes on");
}

TEST_F(RestoreTest, SaysWhatItDid) {
  const std::string epoch = MakeStore(backup_, 3);
  MakeStore(path_, 1);
  auto result = Restore(/*force=*/true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(RestoreText({backup_, path_, true}, *result),
            "restored " + path_ + " from " + backup_ + ": revision 3 with 3 resources of epoch " + epoch +
                ", now of the new epoch " + result->epoch + "; what was there is kept as " + path_ +
                ".before-restore-20231114T221320Z");
}

TEST_F(RestoreTest, EveryRestoreBeginsAnEpochOfItsOwn) {
  MakeStore(backup_, 1);
  auto first = Restore();
  auto second = Restore(/*force=*/true);
  ASSERT_TRUE(first.ok() && second.ok()) << second.status();
  EXPECT_NE(first->epoch, second->epoch);
  // Data planes may follow the first by now.
  EXPECT_THAT(Open()->lineage().replaces_epochs, testing::Contains(first->epoch));
}

TEST_F(RestoreTest, WhatWasThereIsKeptWithItsNewestChanges) {
  MakeStore(backup_, 1);
  std::string epoch;
  {
    auto store = OpenStore(path_, {});
    epoch = (*store)->epoch();
    PutUpstream(**store, "kept");
    // As a process that was killed leaves it: the change is in the WAL only.
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(path_ + suffix, folder_.File("killed.db") + suffix);
    }
  }
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::rename(folder_.File("killed.db") + suffix, path_ + suffix);
  }
  auto result = Restore(/*force=*/true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Open()->lineage().replaces_epochs, testing::Contains(epoch));
  EXPECT_TRUE((*Open()->Current())->resources.contains({"Upstream", "u0"}));
  auto kept = OpenStore(result->kept, {}, StoreCreation::kNever);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ((*kept)->epoch(), epoch);
  EXPECT_TRUE((*(*kept)->Current())->resources.contains({"Upstream", "kept"}));
}

TEST_F(RestoreTest, ADamagedStoreIsReplacedAndKeptAsItIs) {
  MakeStore(backup_, 2);
  std::ofstream(path_) << "nothing of use";
  auto result = Restore(/*force=*/true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadAll(result->kept), "nothing of use");
  EXPECT_EQ((*Open()->Current())->revision, 2);
}

TEST_F(RestoreTest, WhatSqliteLeftOfALostStoreIsNotReadIntoTheNewOne) {
  MakeStore(backup_, 2);
  {
    auto store = OpenStore(path_, {});
    for (int i = 0; i < 5; ++i) PutUpstream(**store, "lost" + std::to_string(i));
    std::filesystem::copy_file(path_ + "-wal", folder_.File("wal"));
  }
  std::filesystem::remove(path_);
  std::filesystem::rename(folder_.File("wal"), path_ + "-wal");
  ASSERT_TRUE(Restore().ok());
  const std::unique_ptr<Store> store = Open();
  EXPECT_EQ((*store->Current())->revision, 2);
  EXPECT_TRUE((*store->Current())->resources.contains({"Upstream", "u1"}));
}

TEST_F(RestoreTest, TakesABackupOfAStoreOfBefore) {
  MakeStore(backup_, 1);
  Sql(backup_, "DROP TABLE replaced_epochs; PRAGMA application_id = 0");
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(Open()->lineage().replaces_epochs.size(), 1);
}

TEST_F(RestoreTest, TakesACopyWhoseNewestChangesAreStillInItsWal) {
  auto store = OpenStore(folder_.File("source.db"), {});
  PutUpstream(**store, "a");
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::copy_file(folder_.File("source.db") + suffix, backup_ + suffix);
  }
  auto result = Restore();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->revision, 1);
}

TEST_F(RestoreTest, IsOnTheDiskBeforeItIsInPlace) {
  MakeStore(backup_, 1);
  TakeFileSteps();
  ASSERT_TRUE(Restore().ok());
  const std::vector<std::string> steps = TakeFileSteps();
  const auto at = [&steps](const std::string& step) {
    return std::find(steps.begin(), steps.end(), step) - steps.begin();
  };
  const auto rename = at("rename " + path_ + ".restoring " + path_);
  ASSERT_LT(rename, static_cast<long>(steps.size())) << testing::PrintToString(steps);
  EXPECT_LT(at("sync " + path_ + ".restoring"), rename);
  // The folder, after it.
  EXPECT_EQ(steps.back(), "sync " + std::filesystem::path(path_).parent_path().string());
}

TEST_F(RestoreTest, TheStoreIsForItsOwnerAlone) {
  MakeStore(backup_, 1);
  chmod(backup_.c_str(), 0644);
  ASSERT_TRUE(Restore().ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_F(RestoreTest, LeavesNothingBeside) {
  MakeStore(backup_, 1);
  std::filesystem::permissions(backup_, std::filesystem::perms::owner_read);
  std::filesystem::remove(backup_ + ".lock");
  ASSERT_TRUE(Restore().ok());
  EXPECT_THAT(Files(), ElementsAre("backup.db", "store.db", "store.db.lock"));
}

struct RefusedRestore {
  std::string name;
  std::function<void(const std::string& backup, const std::string& store)> make;
  std::string message;
  bool force = false;
};

class RefusedRestoreTest : public RestoreTest, public testing::WithParamInterface<RefusedRestore> {};

TEST_P(RefusedRestoreTest, IsNamedAndChangesNothing) {
  GetParam().make(backup_, path_);
  const std::string before = std::filesystem::exists(path_) ? ReadAll(path_) : "";
  auto result = Restore(GetParam().force);
  ASSERT_FALSE(result.ok());
  const std::string message(result.status().message());
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(std::filesystem::exists(path_) ? ReadAll(path_) : "", before);
  for (const std::string& name : Files()) EXPECT_EQ(name.find(".restoring"), std::string::npos) << name;
}

void Truncate(const std::string& path) { std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2); }

// A page in the middle is overwritten.
void Corrupt(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 * 3);
  file << std::string(4096, 'z');
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, RefusedRestoreTest,
    testing::Values(
        RefusedRestore{"NoBackup", [](const auto&, const auto&) {}, "backup.db does not exist"},
        RefusedRestore{"EmptyBackup", [](const auto& backup, const auto&) { std::ofstream file(backup); },
                       "backup.db is an empty file, not a store"},
        RefusedRestore{"TextAsBackup",
                       [](const auto& backup, const auto&) { std::ofstream(backup) << "kind: Route\n"; },
                       "backup.db is damaged or not a store"},
        RefusedRestore{"OtherSqliteFile", [](const auto& backup, const auto&) { Sql(backup, "CREATE TABLE t (x)"); },
                       "backup.db is not a store, but a SQLite file with tables \"t\""},
        RefusedRestore{"HalfABackup",
                       [](const auto& backup, const auto&) {
                         MakeStore(backup, 20);
                         Truncate(backup);
                       },
                       "backup.db is damaged"},
        RefusedRestore{"CorruptBackup",
                       [](const auto& backup, const auto& store) {
                         MakeStore(backup, 200);
                         Corrupt(backup);
                         MakeStore(store, 1);
                       },
                       "backup.db is damaged", true},
        RefusedRestore{"UnreadablePolicy",
                       [](const auto& backup, const auto&) {
                         MakeStore(backup, 1);
                         Sql(backup, "UPDATE versions SET resource = x'ff'");
                       },
                       "backup.db is damaged: a resource cannot be read"},
        RefusedRestore{"OtherSchema",
                       [](const auto& backup, const auto&) {
                         MakeStore(backup, 1);
                         Sql(backup, "UPDATE meta SET value = '9' WHERE key = 'schema_version'");
                       },
                       "backup.db has schema version 9; this program reads version 1"},
        RefusedRestore{"StoreInPlace",
                       [](const auto& backup, const auto& store) {
                         MakeStore(backup, 1);
                         MakeStore(store, 2);
                       },
                       "store.db is there already; --force keeps it beside and restores over it"},
        RefusedRestore{"FolderInPlace",
                       [](const auto& backup, const auto& store) {
                         MakeStore(backup, 1);
                         std::filesystem::create_directory(store);
                       },
                       "store.db is a folder; name a file", true},
        RefusedRestore{"ItsOwnBackup",
                       [](const auto& backup, const auto& store) {
                         MakeStore(store, 1);
                         std::filesystem::create_symlink(store, backup);
                       },
                       "backup.db is the store itself; name a copy of it", true}),
    [](const auto& info) { return info.param.name; });

TEST_F(RestoreTest, IsRefusedWhileAControlPlaneHasTheStoreOpen) {
  MakeStore(backup_, 1);
  auto store = OpenStore(path_, {});
  PutUpstream(**store, "u");
  auto result = Restore(/*force=*/true);
  EXPECT_EQ(result.status().message(), "store " + path_ + " is in use by another process; stop it first");
  PutUpstream(**store, "v");
}

TEST_F(RestoreTest, IsRefusedFromTheStoreOfARunningControlPlane) {
  auto running = OpenStore(backup_, {});
  EXPECT_THAT(std::string(Restore().status().message()),
              HasSubstr("backup.db is the store of a running control plane; take a backup of it with 'sluicectl"));
}

}  // namespace
}  // namespace sluice

// What the SQLite store does with files: which it takes, whom it lets read
// them, and what it does when the disk lets it down.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/policies.h"
#include "tests/controlplane/store_tools.h"

namespace sluice {
namespace {

using testing::HasSubstr;

class SqliteFileTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Store>> Open(StoreCreation creation = StoreCreation::kNever) {
    return OpenStore(path_, {}, creation);
  }

  std::unique_ptr<Store> Make() {
    auto store = Open(StoreCreation::kIfMissing);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  TempFolder folder_;
  const std::string path_ = folder_.File("store.db");
};

TEST_F(SqliteFileTest, ASecondOpenerIsTurnedAwayByWhateverPath) {
  const std::unique_ptr<Store> first = Make();
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("store.db is in use by another process"));
  std::filesystem::create_symlink(path_, folder_.File("link.db"));
  EXPECT_EQ(OpenStore(folder_.File("link.db"), {}).status().code(), absl::StatusCode::kUnavailable);
}

struct Refused {
  std::string name;
  std::function<void(const std::string& path)> make;
  std::string message;
};

class RefusedFileTest : public SqliteFileTest, public testing::WithParamInterface<Refused> {};

TEST_P(RefusedFileTest, IsNamedWithWhatItIsAndWhatToDoAndStaysAsItIs) {
  GetParam().make(path_);
  const std::string before = std::filesystem::is_regular_file(path_) ? ReadAll(path_) : "";
  for (StoreCreation creation : {StoreCreation::kNever, StoreCreation::kIfMissing}) {
    auto store = Open(creation);
    ASSERT_FALSE(store.ok());
    const std::string message(store.status().message());
    EXPECT_THAT(message, HasSubstr("store " + path_ + " " + GetParam().message));
    EXPECT_THAT(message, HasSubstr("'sluice-controlplane restore'"));
    EXPECT_THAT(message, HasSubstr("--create"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  if (!before.empty()) {
    EXPECT_EQ(ReadAll(path_), before);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RefusedFileTest,
    testing::Values(
        Refused{"Empty", [](const std::string& path) { std::ofstream file(path); }, "is an empty file, not a store"},
        Refused{"Text", [](const std::string& path) { std::ofstream(path) << std::string(9000, 'x'); },
                "is damaged or not a store: it does not begin as one"},
        Refused{"Folder", [](const std::string& path) { std::filesystem::create_directory(path); }, "is not a file"},
        Refused{"OtherTables",
                [](const std::string& path) { Sql(path, "CREATE TABLE users (x); CREATE TABLE \"a\nb\" (x)"); },
                "is not a store, but a SQLite file with tables \"a\\nb\", \"users\""},
        Refused{"NoTables", [](const std::string& path) { Sql(path, "PRAGMA user_version = 1"); },
                "is not a store, but a SQLite file without tables"},
        Refused{"OtherApplication",
                [](const std::string& path) { Sql(path, "PRAGMA application_id = 7; CREATE TABLE meta (x)"); },
                "is not a store, but a SQLite file of another application, 7"},
        Refused{"LostTables",
                [](const std::string& path) {
                  MakeStore(path, 1);
                  Sql(path, "DROP TABLE versions; DROP TABLE revisions");
                },
                "is damaged: without its tables revisions, versions"},
        Refused{"LostAllTables",
                [](const std::string& path) {
                  MakeStore(path, 1);
                  Sql(path, "DROP TABLE versions; DROP TABLE revisions; DROP TABLE meta; DROP TABLE answers");
                },
                "is damaged: without its tables meta, revisions, versions, answers"},
        Refused{"LostHeader",
                [](const std::string& path) {
                  MakeStore(path, 1);
                  Sql(path, "DELETE FROM meta");
                },
                "is damaged: its header cannot be read"}),
    [](const auto& info) { return info.param.name; });

TEST_F(SqliteFileTest, WhereAStoreIsExpectedAndMissingNoneIsMade) {
  auto store = Open();
  EXPECT_EQ(store.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(store.status().message()),
              HasSubstr(path_ + " does not exist; --create makes a new one, 'sluice-controlplane restore' brings"));
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path_).parent_path()));
}

TEST_F(SqliteFileTest, AMissingFolderIsNamed) {
  auto store = OpenStore(folder_.File("no/store.db"), {});
  EXPECT_EQ(store.status().message(),
            "store " + folder_.File("no/store.db") + ": there is no folder " + folder_.File("no"));
}

TEST_F(SqliteFileTest, AStoreOfAnotherSchemaIsRefused) {
  MakeStore(path_, 1);
  Sql(path_, "UPDATE meta SET value = '2' WHERE key = 'schema_version'");
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("schema version 2; this program reads version 1"));
}

// As programs before made it: without application id and lineage.
TEST_F(SqliteFileTest, AStoreOfBeforeIsTaken) {
  const std::string epoch = MakeStore(path_, 2);
  Sql(path_, "DROP TABLE replaced_epochs; PRAGMA application_id = 0");
  auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->epoch(), epoch);
  EXPECT_EQ((*(*store)->Current())->revision, 2);
  EXPECT_TRUE((*store)->lineage().replaces_epochs.empty());
}

TEST_F(SqliteFileTest, NobodyElseMayReadItWhateverTheUmask) {
  const mode_t umask_before = umask(0);
  std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  auto mode = [this](const char* suffix) {
    struct stat info {};
    EXPECT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    return info.st_mode & 0777;
  };
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) EXPECT_EQ(mode(suffix), 0600) << suffix;
  store.reset();
  // One of before, open to all.
  chmod(path_.c_str(), 0644);
  store = *Open();
  PutUpstream(*store, "v");
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(mode(suffix), 0600) << suffix;
  umask(umask_before);
}

TEST_F(SqliteFileTest, ToolsReadAndCopyItWhileItIsUsed) {
  const std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  Sql(path_, "VACUUM INTO '" + folder_.File("copy.db") + "'");
  PutUpstream(*store, "v");
  auto copy = OpenStore(folder_.File("copy.db"), {}, StoreCreation::kNever);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ((*(*copy)->Current())->revision, 1);
}

TEST_F(SqliteFileTest, WhatAStartThatWasCutShortLeftIsNoObstacle) {
  std::ofstream(path_ + ".creating") << "half";
  std::ofstream(path_ + "-wal") << "of a store that was removed";
  const std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".creating"));
}

TEST_F(SqliteFileTest, AStoreWhoseFileWasTakenAwayTakesNoChangesButCanBeCopied) {
  const std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  std::filesystem::remove(path_);
  StoreWrite write;
  write.expected_revision = 1;
  write.puts = {MakeUpstream("lost")};
  const absl::Status refused = store->Commit(write).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("was removed or replaced under this control plane"));
  WriteCopy(*store, folder_.File("rescued.db"));
  auto rescued = OpenStore(folder_.File("rescued.db"), {}, StoreCreation::kNever);
  ASSERT_TRUE(rescued.ok()) << rescued.status();
  EXPECT_EQ((*(*rescued)->Current())->resources.size(), 1);
}

TEST_F(SqliteFileTest, ACopyLeavesNoFileBesideTheStore) {
  const std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  auto copy = store->Copy([] { return false; });
  ASSERT_TRUE(copy.ok()) << copy.status();
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path_).parent_path())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("store.db", "store.db-wal", "store.db-shm", "store.db.lock"));
}

// The file system refuses to let files grow, as a full disk does.
class FilesCannotGrow {
 public:
  explicit FilesCannotGrow(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FilesCannotGrow() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST_F(SqliteFileTest, AChangeThatFindsNoRoomIsRefusedAndLaterOnesWork) {
  std::unique_ptr<Store> store = Make();
  PutUpstream(*store, "u");
  StoreWrite write;
  write.expected_revision = 1;
  write.puts = {MakeRetryPolicy("large", 1)};
  (*write.puts[0].mutable_meta()->mutable_annotations())["note"] = std::string(1 << 20, 'x');
  {
    const FilesCannotGrow full(std::filesystem::file_size(path_ + "-wal") + 10000);
    const absl::Status refused = store->Commit(write).status();
    EXPECT_FALSE(refused.ok());
    EXPECT_EQ(refused.message(), "store " + path_ + " cannot be written: disk I/O error");
    EXPECT_FALSE(store->Copy([] { return false; }).ok());
  }
  EXPECT_EQ((*store->Current())->revision, 1);
  EXPECT_TRUE(store->Commit(write).ok());
  EXPECT_TRUE(store->Copy([] { return false; }).ok());
  store.reset();
  store = *Open();
  EXPECT_EQ((*store->Current())->revision, 2);
  EXPECT_EQ((*store->Current())->resources.size(), 2);
}

}  // namespace
}  // namespace sluice

// backup and node forget.
#include <openssl/sha.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "tests/ctl/run_ctl.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;

class BackupTest : public RunCtlTest {
 protected:
  BackupTest() {
    sqlite3* db = nullptr;
    sqlite3_open(Path("store.db").c_str(), &db);
    sqlite3_exec(db, "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL); INSERT INTO meta VALUES ('epoch', 'ab12')",
                 nullptr, nullptr, nullptr);
    sqlite3_close(db);
    Send(TextOf(Path("store.db")));
  }

  void Send(const std::string& bytes) {
    admin_.backup.clear();
    v1::BackupHeader* header = admin_.backup.emplace_back().mutable_header();
    header->set_epoch("ab12");
    header->set_revision(41);
    header->set_size_bytes(bytes.size());
    for (size_t from = 0; from < bytes.size(); from += 1000) admin_.backup.emplace_back().set_data(bytes.substr(from, 1000));
    v1::BackupTrailer* trailer = admin_.backup.emplace_back().mutable_trailer();
    trailer->set_size_bytes(bytes.size());
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
    trailer->set_sha256(digest, sizeof digest);
  }

  // Nothing is left behind, and what was there is as it was.
  void ExpectRefused(const std::string& says) {
    File("copy.db", "before");
    EXPECT_EQ(Run({"backup", Path("copy.db"), "--force"}), ExitCode::kUnexpected);
    EXPECT_THAT(err_, HasSubstr(says));
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
    EXPECT_EQ(TextOf(Path("copy.db")), "before");
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path();
    }
  }
};

TEST_F(BackupTest, IsTheWholeStoreForItsOwnerOnly) {
  EXPECT_EQ(Run({"backup", Path("copy.db")}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("copy.db: epoch ab12, revision 41, "));
  EXPECT_THAT(out_, HasSubstr(", checked\n"));
  EXPECT_EQ(TextOf(Path("copy.db")), TextOf(Path("store.db")));
  struct stat there {};
  ASSERT_EQ(stat(Path("copy.db").c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
}

TEST_F(BackupTest, OverwritesOnlyWithForce) {
  File("copy.db", "before");
  EXPECT_EQ(Run({"backup", Path("copy.db")}), ExitCode::kUsage);
  EXPECT_EQ(err_, "sluicectl: backup: copy.db exists; --force overwrites it\n");
  EXPECT_EQ(TextOf(Path("copy.db")), "before");
  EXPECT_EQ(Run({"backup", Path("copy.db"), "--force"}), ExitCode::kOk) << err_;
  EXPECT_NE(TextOf(Path("copy.db")), "before");
}

TEST_F(BackupTest, WithoutItsTrailerIsNotWhole) {
  admin_.backup.pop_back();
  ExpectRefused("the copy is not whole: it ended before all of it had come; nothing was written to ");
}

TEST_F(BackupTest, WithAPieceMissingIsNotWhole) {
  admin_.backup.erase(admin_.backup.begin() + 2);
  ExpectRefused("the copy is not whole: of ");
}

TEST_F(BackupTest, WithAWrongByteIsNotWhole) {
  std::string& data = *admin_.backup[1].mutable_data();
  data[500] = static_cast<char>(data[500] ^ 1);
  ExpectRefused("its SHA-256 is not that of what was sent");
}

TEST_F(BackupTest, ThatIsNoStoreOfTheEpochIsRefused) {
  Send("no database at all");
  ExpectRefused("the copy is not whole: ");
  Send(TextOf(Path("store.db")));
  admin_.backup.front().mutable_header()->set_epoch("other");
  ExpectRefused("it holds no store of epoch other");
}

TEST_F(BackupTest, IntoAFolderThatIsNotThereSaysSo) {
  EXPECT_EQ(Run({"backup", Path("none/copy.db")}), ExitCode::kUnexpected);
  EXPECT_THAT(err_, HasSubstr("none/copy.db: No such file or directory\n"));
}

TEST_F(BackupTest, OfAControlPlaneThatIsNotThereEndsWith3AndLeavesNothing) {
  EXPECT_EQ(RunAlone({"--server", "127.0.0.1:1", "backup", Path("copy.db")}), ExitCode::kUnreachable);
  EXPECT_FALSE(std::filesystem::exists(Path("copy.db")));
}

TEST_F(RunCtlTest, NodeForgetTakesDataPlanesOffTheList) {
  admin_.known_nodes = {{"edge-1", true}, {"edge-7", false}};
  EXPECT_EQ(Run({"node", "forget", "edge-7"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_, "edge-7 forgotten\n");
  EXPECT_EQ(Run({"node", "forget", "edge-7"}), ExitCode::kNotFound);
  EXPECT_EQ(err_, "sluicectl: no data plane is called edge-7\n");
  EXPECT_EQ(Run({"node", "forget", "edge-1"}), ExitCode::kConflict);
  EXPECT_EQ(err_, "sluicectl: edge-1 is connected\n");
}

TEST_F(RunCtlTest, NodeListIsStatus) {
  *admin_.nodes.add_nodes() = NodeIn("edge-1", v1::NODE_STATE_ACKED, 1);
  ASSERT_EQ(Run({"status"}), ExitCode::kOk);
  const std::string status = out_;
  EXPECT_EQ(Run({"node", "list"}), ExitCode::kOk);
  EXPECT_EQ(out_, status);
  EXPECT_THAT(out_, HasSubstr("edge-1"));
}

}  // namespace
}  // namespace sluice::ctl

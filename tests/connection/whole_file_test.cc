#include "proto/connection/whole_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace sluice {
namespace {

class WholeFileTest : public ::testing::Test {
 protected:
  WholeFileTest() {
    char pattern[] = "/tmp/whole_file.XXXXXX";
    folder_ = mkdtemp(pattern);
    path_ = folder_ + "/file";
  }
  ~WholeFileTest() override { std::filesystem::remove_all(folder_); }

  static std::string TextOf(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  std::ptrdiff_t Files() const {
    return std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator());
  }

  std::string folder_;
  std::string path_;
};

TEST_F(WholeFileTest, IsThereAfterCommitForItsOwnerOnly) {
  WholeFile file;
  ASSERT_TRUE(file.Open(path_).ok());
  ASSERT_TRUE(file.Write("abc").ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(file.Commit().ok());
  EXPECT_EQ(TextOf(path_), "abc");
  EXPECT_EQ(Files(), 1);
  struct stat there {};
  ASSERT_EQ(stat(path_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
}

TEST_F(WholeFileTest, WithoutCommitNothingChanges) {
  std::ofstream(path_) << "before";
  {
    WholeFile file;
    ASSERT_TRUE(file.Open(path_).ok());
    ASSERT_TRUE(file.Write("abc").ok());
  }
  EXPECT_EQ(TextOf(path_), "before");
  EXPECT_EQ(Files(), 1);
}

TEST_F(WholeFileTest, AFolderThatIsNotThereIsNamed) {
  WholeFile file;
  const absl::Status status = file.Open(folder_ + "/none/file");
  EXPECT_EQ(status.message(), "cannot write " + folder_ + "/none/file: No such file or directory");
}

TEST_F(WholeFileTest, ALinkStaysALink) {
  std::ofstream(folder_ + "/real") << "before";
  std::filesystem::create_symlink("real", path_);
  WholeFile file;
  ASSERT_TRUE(file.Open(path_).ok());
  ASSERT_TRUE(file.Write("after").ok());
  ASSERT_TRUE(file.Commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
  EXPECT_EQ(TextOf(folder_ + "/real"), "after");
}

}  // namespace
}  // namespace sluice

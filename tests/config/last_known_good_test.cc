#include "server/config/last_known_good.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/config/policies.h"
#include "tests/support/file_steps.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

ResourceSet SetAt(uint64_t revision) { return ApplyUpdate({}, MakeUpdate(kTwoEndpoints, revision)).set; }

class LastKnownGoodTest : public testing::Test {
 protected:
  LastKnownGoodTest()
      : folder_(testing::TempDir() + "lkg-" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
  }
  ~LastKnownGoodTest() override { std::filesystem::remove_all(folder_); }

  std::vector<SavedConfig> Load() {
    auto opened = LastKnownGood::Open(folder_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    problems_.clear();
    return (*opened)->Load(problems_);
  }
  void Save(uint64_t revision) {
    auto opened = LastKnownGood::Open(folder_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_TRUE((*opened)->Save(SetAt(revision), kNow).ok());
  }
  void Overwrite(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary | std::ios::trunc) << bytes;
  }

  const std::string folder_;
  std::vector<std::string> problems_;
};

TEST_F(LastKnownGoodTest, NothingSavedIsNoProblem) {
  EXPECT_TRUE(Load().empty());
  EXPECT_TRUE(problems_.empty());
}

TEST_F(LastKnownGoodTest, LoadsWhatWasSaved) {
  Save(5);
  const auto saved = Load();
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].set.revision, 5u);
  EXPECT_EQ(saved[0].set.epoch, "epoch-1");
  EXPECT_EQ(saved[0].set.Sha256(), SetAt(5).Sha256());
  EXPECT_EQ(saved[0].saved_at, kNow);
}

TEST_F(LastKnownGoodTest, KeepsTwoGenerations) {
  Save(5);
  Save(6);
  Save(7);
  const auto saved = Load();
  ASSERT_EQ(saved.size(), 2u);
  EXPECT_EQ(saved[0].set.revision, 7u);
  EXPECT_EQ(saved[1].set.revision, 6u);
}

// Or a power loss leaves an empty file under the good one's name, or neither.
TEST_F(LastKnownGoodTest, IsOnTheDiskBeforeItTakesThePlaceOfTheLast) {
  Save(5);
  TakeFileSteps();
  Save(6);
  const std::string file = folder_ + "/config.lkg";
  EXPECT_THAT(TakeFileSteps(), ElementsAre("sync " + file + ".tmp", "rename " + file + " " + file + ".1",
                                           "rename " + file + ".tmp " + file, "sync " + folder_));
}

TEST_F(LastKnownGoodTest, OlderGenerationServesWhenTheNewerIsBroken) {
  Save(5);
  Save(6);
  Overwrite("config.lkg", "rubbish");
  const auto saved = Load();
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].set.revision, 5u);
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_THAT(problems_[0], HasSubstr("config.lkg: cut short"));
}

TEST_F(LastKnownGoodTest, CrashBetweenTheRenamesLosesNothing) {
  Save(5);
  std::filesystem::rename(folder_ + "/config.lkg", folder_ + "/config.lkg.1");
  Overwrite("config.lkg.tmp", "half written");
  ASSERT_EQ(Load().size(), 1u);
  EXPECT_TRUE(problems_.empty());
}

TEST_F(LastKnownGoodTest, OneFolderServesOneDataPlane) {
  const auto first = LastKnownGood::Open(folder_);
  ASSERT_TRUE(first.ok());
  const auto second = LastKnownGood::Open(folder_);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(folder_ + " is used by another data plane"));
}

TEST(SavedConfigTest, CutAtEveryByteIsRefused) {
  const std::string bytes = EncodeSavedConfig(SetAt(5), kNow);
  ASSERT_TRUE(DecodeSavedConfig(bytes).ok());
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_FALSE(DecodeSavedConfig(std::string_view(bytes).substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(DecodeSavedConfig(bytes + "x").ok());
}

TEST(SavedConfigTest, EveryFlippedBitIsRefused) {
  const std::string bytes = EncodeSavedConfig(SetAt(5), kNow);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(DecodeSavedConfig(flipped).ok()) << "bit " << bit;
  }
}

}  // namespace
}  // namespace sluice

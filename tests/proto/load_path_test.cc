// Files and folders.
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/policy/yaml_loader.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class LoadPathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/sluice-load-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }

  std::string folder_;
};

TEST_F(LoadPathTest, ReadsAFolderInOrderOfName) {
  Write("b.yml", "kind: RetryPolicy\nname: b\n");
  Write("a.yaml", "kind: RetryPolicy\nname: a\n");
  Write("c.json", "{\"kind\": \"RetryPolicy\", \"name\": \"c\"}");
  Write("d.txt", "not for us");
  Write(".hidden.yaml", "not: ours");
  fs::create_directory(folder_ + "/sub.yaml");
  const LoadResult loaded = LoadPolicyPath(folder_);
  ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString();
  ASSERT_EQ(loaded.resources.size(), 3u);
  EXPECT_EQ(loaded.resources[0].resource.meta().name(), "a");
  EXPECT_EQ(loaded.resources[1].resource.meta().name(), "b");
  EXPECT_EQ(loaded.resources[2].file, folder_ + "/c.json");
}

TEST_F(LoadPathTest, TheSameResourceInTwoFilesNamesBothPlaces) {
  Write("a.yaml", "kind: RetryPolicy\nname: r\n");
  Write("b.yaml", "# again\nkind: RetryPolicy\nname: r\n");
  const LoadResult loaded = LoadPolicyPath(folder_);
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.errors[0].ToString(), folder_ + "/b.yaml:2: retrypolicy/r: is defined twice; " +
                                             "first at " + folder_ + "/a.yaml:1");
}

TEST_F(LoadPathTest, WhatCannotBeReadIsNamed) {
  const LoadResult missing = LoadPolicyPath(folder_ + "/none.yaml");
  ASSERT_EQ(missing.errors.size(), 1u);
  EXPECT_EQ(missing.errors[0].ToString(), folder_ + "/none.yaml: does not exist");
  const LoadResult empty = LoadPolicyPath(folder_);
  ASSERT_EQ(empty.errors.size(), 1u);
  EXPECT_EQ(empty.errors[0].ToString(), folder_ + ": has no *.yaml, *.yml or *.json file");
}

TEST_F(LoadPathTest, AnEndlessFileIsRefused) {
  const LoadResult loaded = LoadPolicyPath("/dev/zero");
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_THAT(loaded.errors[0].message, ::testing::HasSubstr("too large"));
}

}  // namespace
}  // namespace sluice

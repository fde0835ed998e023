#include "tests/controlplane/store_tools.h"

#include <sqlite3.h>

#include <fstream>
#include <sstream>

#include "controlplane/store/sqlite_store.h"
#include "gtest/gtest.h"
#include "tests/controlplane/policies.h"

namespace sluice {

std::string MakeStore(const std::string& path, int revisions) {
  auto store = OpenStore(path, {});
  EXPECT_TRUE(store.ok()) << store.status();
  for (int i = 0; i < revisions; ++i) PutUpstream(**store, "u" + std::to_string(i));
  return (*store)->epoch();
}

void PutUpstream(Store& store, const std::string& name) {
  StoreWrite write;
  write.expected_revision = (*store.Current())->revision;
  write.puts = {MakeUpstream(name)};
  const absl::Status status = store.Commit(std::move(write)).status();
  EXPECT_TRUE(status.ok()) << status;
}

void WriteCopy(Store& store, const std::string& path) {
  auto copy = store.Copy([] { return false; });
  ASSERT_TRUE(copy.ok()) << copy.status();
  std::ofstream file(path, std::ios::binary);
  for (;;) {
    auto part = (*copy)->Read(4096);
    ASSERT_TRUE(part.ok()) << part.status();
    if (part->empty()) return;
    file << *part;
  }
}

void Sql(const std::string& path, const std::string& statements) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(db, statements.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_free(error);
  sqlite3_close(db);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sluice

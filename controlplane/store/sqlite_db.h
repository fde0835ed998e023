// A thin owner of one SQLite connection and its prepared statements: errors
// become absl::Status, statements are reset whatever happens. Used by
// SqliteStore only, under its mutex.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_DB_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_DB_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sluice {

// The columns of the row that a statement stands on.
class SqliteRow {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  int64_t Int(int column) const;
  std::string Bytes(int column) const;
  bool IsNull(int column) const;

 private:
  sqlite3_stmt* statement_;
};

// A value to bind; the bytes must outlive the call that binds them.
struct SqliteValue {
  enum class Kind { kInt, kText, kBlob, kNull };
  static SqliteValue Int(uint64_t value) { return {Kind::kInt, static_cast<int64_t>(value), {}}; }
  static SqliteValue Text(std::string_view text) { return {Kind::kText, 0, text}; }
  static SqliteValue Blob(std::string_view bytes) { return {Kind::kBlob, 0, bytes}; }
  static SqliteValue Null() { return {Kind::kNull, 0, {}}; }

  Kind kind;
  int64_t number;
  std::string_view bytes;
};

class SqliteDb {
 public:
  using OnRow = std::function<void(const SqliteRow&)>;

  // Errors name the path.
  static absl::StatusOr<std::unique_ptr<SqliteDb>> Open(const std::string& path);
  ~SqliteDb();
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  // Prepares `sql` once and keeps it. `sql` must be a literal.
  absl::Status Run(const char* sql, const std::vector<SqliteValue>& values = {},
                   const OnRow& on_row = nullptr);
  int64_t RowsChanged() const;
  const std::string& path() const { return path_; }

 private:
  SqliteDb(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql);
  absl::Status Error(int code) const;

  std::string path_;
  sqlite3* db_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

// Rolls back unless committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteDb& db) : db_(db) {}
  ~SqliteTransaction();
  absl::Status Begin();
  absl::Status Commit();

 private:
  SqliteDb& db_;
  bool open_ = false;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_DB_H_

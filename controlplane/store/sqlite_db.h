// A thin owner of one SQLite connection and its prepared statements: errors
// become absl::Status, statements are reset whatever happens. Used within
// store/ only, by one thread at a time.
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
struct sqlite3_backup;
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

  enum class Mode {
    kReadWrite,
    // Takes no locks and makes no files beside it, not even for a file in WAL
    // mode on a medium that cannot be written: nobody else may write to it.
    kReadOnlyAlone,
    // As other readers do beside a writer.
    kReadOnly,
  };

  // The file must be there. `name` is what errors call it: "store /x/sluice.db".
  static absl::StatusOr<std::unique_ptr<SqliteDb>> Open(const std::string& path, std::string name, Mode mode);
  ~SqliteDb();
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  // Prepares `sql` once and keeps it. `sql` must be a literal.
  absl::Status Run(const char* sql, const std::vector<SqliteValue>& values = {},
                   const OnRow& on_row = nullptr);
  int64_t RowsChanged() const;
  const std::string& name() const { return name_; }

  // DATA_LOSS with the first thing that is wrong anywhere in the file. Reads all
  // of it.
  absl::Status CheckIntegrity();
  // Whether the file was taken away from its place: what is written to it is
  // lost when the process ends.
  bool HasMoved() const;

 private:
  friend class SqliteCopier;
  SqliteDb(std::string name, sqlite3* db) : name_(std::move(name)), db_(db) {}
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql);
  absl::Status Error(int code) const;

  std::string name_;
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

// SQLite's online backup: copies `from` page by page; `from` may be used and
// changed through its connection between the steps, and the copy has it all.
class SqliteCopier {
 public:
  // Both must outlive this; `to` is overwritten.
  static absl::StatusOr<std::unique_ptr<SqliteCopier>> Begin(SqliteDb& from, SqliteDb& to);
  ~SqliteCopier();
  SqliteCopier(const SqliteCopier&) = delete;
  SqliteCopier& operator=(const SqliteCopier&) = delete;

  // Copies some pages more; true: all are.
  absl::StatusOr<bool> Step(int pages);

 private:
  SqliteCopier(SqliteDb& from, SqliteDb& to, sqlite3_backup* backup) : from_(from), to_(to), backup_(backup) {}

  SqliteDb& from_;
  SqliteDb& to_;
  sqlite3_backup* backup_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_DB_H_

#include "controlplane/store/sqlite_db.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sluice {

int64_t SqliteRow::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqliteRow::Bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return std::string(data == nullptr ? "" : data, sqlite3_column_bytes(statement_, column));
}

bool SqliteRow::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

namespace {

// "file:/x%3Fy?immutable=1": what means something in a URI is escaped.
std::string ImmutableUri(const std::string& path) {
  return absl::StrCat("file:", absl::StrReplaceAll(path, {{"%", "%25"}, {"?", "%3f"}, {"#", "%23"}}), "?immutable=1");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteDb>> SqliteDb::Open(const std::string& path, std::string name, Mode mode) {
  sqlite3* raw = nullptr;
  int code = SQLITE_OK;
  switch (mode) {
    case Mode::kReadWrite:
      code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
      break;
    case Mode::kReadOnlyAlone:
      code = sqlite3_open_v2(ImmutableUri(path).c_str(), &raw,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_URI, nullptr);
      break;
    case Mode::kReadOnly:
      code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, nullptr);
      break;
  }
  std::unique_ptr<SqliteDb> db(new SqliteDb(std::move(name), raw));
  if (code != SQLITE_OK) return db->Error(code);
  sqlite3_extended_result_codes(raw, 1);
  // Someone may be reading the file, for a copy or out of curiosity.
  sqlite3_busy_timeout(raw, 2000);
  return db;
}

SqliteDb::~SqliteDb() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::Status SqliteDb::Error(int code) const {
  std::string what = db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(absl::StrCat(name_, " is in use by another process"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(name_, " is damaged or not a store: ", what));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return absl::PermissionDeniedError(absl::StrCat(name_, " cannot be opened for reading and writing: ", what));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(name_, ": the disk is full"));
    case SQLITE_IOERR:
      return absl::InternalError(absl::StrCat(name_, " cannot be ", code == SQLITE_IOERR_READ ? "read: " : "written: ",
                                              what));
    default:
      return absl::InternalError(absl::StrCat(name_, ": ", what));
  }
}

absl::StatusOr<sqlite3_stmt*> SqliteDb::Prepare(const char* sql) {
  auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Error(code);
  statements_.emplace(sql, statement);
  return statement;
}

namespace {

int Bind(sqlite3_stmt* statement, int index, const SqliteValue& value) {
  switch (value.kind) {
    case SqliteValue::Kind::kInt:
      return sqlite3_bind_int64(statement, index, value.number);
    case SqliteValue::Kind::kText:
      return sqlite3_bind_text(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
    case SqliteValue::Kind::kBlob:
      return sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
    case SqliteValue::Kind::kNull:
      return sqlite3_bind_null(statement, index);
  }
  return SQLITE_MISUSE;
}

}  // namespace

absl::Status SqliteDb::Run(const char* sql, const std::vector<SqliteValue>& values,
                           const OnRow& on_row) {
  absl::StatusOr<sqlite3_stmt*> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  int code = SQLITE_OK;
  for (size_t i = 0; i < values.size() && code == SQLITE_OK; ++i) {
    code = Bind(*statement, static_cast<int>(i) + 1, values[i]);
  }
  if (code == SQLITE_OK) {
    while ((code = sqlite3_step(*statement)) == SQLITE_ROW) {
      if (on_row) on_row(SqliteRow(*statement));
    }
  }
  absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : Error(code);
  sqlite3_reset(*statement);
  sqlite3_clear_bindings(*statement);
  return status;
}

int64_t SqliteDb::RowsChanged() const { return sqlite3_changes64(db_); }

absl::Status SqliteDb::CheckIntegrity() {
  std::string first;
  // One finding is enough to know that the file is of no use.
  absl::Status status =
      Run("PRAGMA integrity_check(1)", {}, [&first](const SqliteRow& row) { first = row.Bytes(0); });
  if (!status.ok()) return status;
  if (first == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(name_, " is damaged: ", absl::StrReplaceAll(first, {{"\n", " "}})));
}

bool SqliteDb::HasMoved() const {
  int moved = 0;
  return sqlite3_file_control(db_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

absl::StatusOr<std::unique_ptr<SqliteCopier>> SqliteCopier::Begin(SqliteDb& from, SqliteDb& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.db_, "main", from.db_, "main");
  if (backup == nullptr) return to.Error(sqlite3_extended_errcode(to.db_));
  return std::unique_ptr<SqliteCopier>(new SqliteCopier(from, to, backup));
}

SqliteCopier::~SqliteCopier() { sqlite3_backup_finish(backup_); }

absl::StatusOr<bool> SqliteCopier::Step(int pages) {
  const int code = sqlite3_backup_step(backup_, pages);
  if (code == SQLITE_DONE) return true;
  if (code == SQLITE_OK) return false;
  return absl::Status(to_.Error(code).code(),
                      absl::StrCat("copying ", from_.name(), " to ", to_.name(), ": ", sqlite3_errstr(code)));
}

absl::Status SqliteTransaction::Begin() {
  // IMMEDIATE takes the write lock at once: the revision that is read inside
  // cannot be overtaken.
  absl::Status status = db_.Run("BEGIN IMMEDIATE");
  open_ = status.ok();
  return status;
}

absl::Status SqliteTransaction::Commit() {
  absl::Status status = db_.Run("COMMIT");
  if (status.ok()) open_ = false;
  return status;
}

SqliteTransaction::~SqliteTransaction() {
  if (open_) db_.Run("ROLLBACK").IgnoreError();
}

}  // namespace sluice

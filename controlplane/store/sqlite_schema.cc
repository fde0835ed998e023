#include "controlplane/store/sqlite_schema.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sluice {
namespace {

constexpr uint64_t kSchemaVersion = 1;
// "Sluc". Stores of before have none.
constexpr int64_t kApplicationId = 0x536c7563;
constexpr std::string_view kFirstBytes("SQLite format 3\0", 16);
// Without these there is no store; the order is that of messages.
constexpr const char* kNeeded[] = {"meta", "revisions", "versions", "answers"};

// Statement by statement: SQLite prepares one at a time.
constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS revisions (revision INTEGER PRIMARY KEY, created_us INTEGER NOT NULL, "
    "record BLOB NOT NULL)",
    // A row per resource and revision that touched it; a null resource was deleted.
    "CREATE TABLE IF NOT EXISTS versions (kind TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, "
    "resource BLOB, PRIMARY KEY (kind, name, revision)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS versions_by_revision ON versions (revision)",
    "CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    "request_id TEXT NOT NULL UNIQUE, fingerprint BLOB NOT NULL, response BLOB NOT NULL)",
    // Stores of before have none: it is no new schema, as programs of before do
    // not miss it.
    "CREATE TABLE IF NOT EXISTS replaced_epochs (number INTEGER PRIMARY KEY AUTOINCREMENT, "
    "epoch TEXT NOT NULL UNIQUE)",
};

absl::Status DamagedHeader(const SqliteDb& db) {
  return absl::DataLossError(absl::StrCat(db.name(), " is damaged: its header cannot be read"));
}

absl::StatusOr<std::vector<std::string>> ReplacedEpochs(SqliteDb& db) {
  std::vector<std::string> epochs;
  bool known = false;
  absl::Status status = db.Run("SELECT 1 FROM sqlite_master WHERE name = 'replaced_epochs'", {},
                               [&known](const SqliteRow&) { known = true; });
  if (status.ok() && known) {
    status = db.Run("SELECT epoch FROM replaced_epochs ORDER BY number", {},
                    [&epochs](const SqliteRow& row) { epochs.push_back(row.Bytes(0)); });
  }
  if (!status.ok()) return status;
  return epochs;
}

absl::Status NoStore(const SqliteDb& db, const std::string& what) {
  return absl::DataLossError(absl::StrCat(db.name(), " is not a store, but a SQLite file ", what));
}

std::string Quoted(const std::set<std::string>& names) {
  constexpr size_t kShown = 5;
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() == kShown) break;
    shown.push_back(absl::StrCat("\"", absl::Utf8SafeCHexEscape(name.substr(0, 64)), "\""));
  }
  if (names.size() > kShown) shown.push_back("...");
  return absl::StrJoin(shown, ", ");
}

absl::Status CheckEpoch(const std::string& epoch) {
  if (!epoch.empty() && epoch.size() <= kMaxEpochBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an epoch has ", epoch.size(), " bytes; must have 1 to ", kMaxEpochBytes));
}

}  // namespace

absl::Status CheckStoreFile(const std::string& path, const std::string& name) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::not_found) return absl::NotFoundError(absl::StrCat(name, " does not exist"));
  if (type != std::filesystem::file_type::regular) {
    return absl::DataLossError(absl::StrCat(name, " is not a file", error ? ": " + error.message() : ""));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::PermissionDeniedError(absl::StrCat(name, " cannot be read: ", std::strerror(errno)));
  std::string first(kFirstBytes.size(), '\0');
  file.read(first.data(), static_cast<std::streamsize>(first.size()));
  if (file.gcount() == 0) return absl::DataLossError(absl::StrCat(name, " is an empty file, not a store"));
  if (first != kFirstBytes) {
    return absl::DataLossError(absl::StrCat(name, " is damaged or not a store: it does not begin as one"));
  }
  return absl::OkStatus();
}

absl::Status CheckStoreTables(SqliteDb& db) {
  std::set<std::string> tables;
  absl::Status status =
      db.Run("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", {},
             [&tables](const SqliteRow& row) { tables.insert(row.Bytes(0)); });
  int64_t id = 0;
  if (status.ok()) status = db.Run("PRAGMA application_id", {}, [&id](const SqliteRow& row) { id = row.Int(0); });
  if (!status.ok()) return status;
  if (id != 0 && id != kApplicationId) return NoStore(db, absl::StrCat("of another application, ", id));
  std::vector<std::string> missing;
  for (const char* table : kNeeded) {
    if (!tables.contains(table)) missing.push_back(table);
  }
  if (missing.empty()) return absl::OkStatus();
  if (tables.empty()) return NoStore(db, "without tables");
  if (id == 0 && missing.size() == std::size(kNeeded)) return NoStore(db, absl::StrCat("with tables ", Quoted(tables)));
  return absl::DataLossError(
      absl::StrCat(db.name(), " is damaged: without its tables ", absl::StrJoin(missing, ", ")));
}

absl::Status CreateStoreTables(SqliteDb& db) {
  for (const char* statement : kTables) {
    if (absl::Status status = db.Run(statement); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CreateStoreHeader(SqliteDb& db) {
  static_assert(kApplicationId == 1399616867, "the pragma takes no parameter");
  absl::Status status = db.Run("PRAGMA application_id = 1399616867");
  if (status.ok()) status = WriteStoreMeta(db, "schema_version", absl::StrCat(kSchemaVersion));
  if (status.ok()) status = WriteStoreMeta(db, "epoch", NewEpoch());
  if (status.ok()) status = WriteStoreMeta(db, "compacted", "0");
  return status;
}

absl::StatusOr<StoreHeader> ReadStoreHeader(SqliteDb& db) {
  std::map<std::string, std::string> meta;
  absl::Status status = db.Run("SELECT key, value FROM meta", {}, [&meta](const SqliteRow& row) {
    meta[row.Bytes(0)] = row.Bytes(1);
  });
  if (!status.ok()) return status;
  uint64_t schema = 0;
  StoreHeader header;
  header.epoch = meta["epoch"];
  header.lineage.parent_epoch = meta["parent_epoch"];
  const std::string& parent = meta["parent_revision"];
  if (!absl::SimpleAtoi(meta["schema_version"], &schema) || header.epoch.empty() ||
      !absl::SimpleAtoi(meta["compacted"], &header.compacted) ||
      (!parent.empty() && !absl::SimpleAtoi(parent, &header.lineage.parent_revision))) {
    return DamagedHeader(db);
  }
  if (schema != kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(db.name(), " has schema version ", schema,
                                                      "; this program reads version ", kSchemaVersion));
  }
  absl::StatusOr<std::vector<std::string>> epochs = ReplacedEpochs(db);
  if (!epochs.ok()) return epochs.status();
  header.lineage.replaces_epochs = *std::move(epochs);
  return header;
}

absl::StatusOr<StoreHeader> BeginEpoch(SqliteDb& db, const StoreHeader& header, uint64_t revision,
                                       const std::vector<std::string>& also) {
  StoreHeader next = header;
  next.epoch = NewEpoch();
  next.lineage.parent_epoch = header.epoch;
  next.lineage.parent_revision = revision;
  std::vector<std::string> replaced = also;
  replaced.push_back(header.epoch);
  absl::Status status = WriteStoreMeta(db, "epoch", next.epoch);
  if (status.ok()) status = WriteStoreMeta(db, "parent_epoch", header.epoch);
  if (status.ok()) status = WriteStoreMeta(db, "parent_revision", absl::StrCat(revision));
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> epochs = AddReplacedEpochs(db, next.epoch, replaced);
  if (!epochs.ok()) return epochs.status();
  next.lineage.replaces_epochs = *std::move(epochs);
  return next;
}

absl::Status WriteStoreMeta(SqliteDb& db, std::string_view key, const std::string& value) {
  return db.Run("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                {SqliteValue::Text(key), SqliteValue::Text(value)});
}

absl::StatusOr<std::vector<std::string>> AddReplacedEpochs(SqliteDb& db, const std::string& own_epoch,
                                                           const std::vector<std::string>& epochs) {
  for (const std::string& epoch : epochs) {
    if (absl::Status status = CheckEpoch(epoch); !status.ok()) return status;
    if (epoch == own_epoch) continue;
    absl::Status status =
        db.Run("INSERT OR IGNORE INTO replaced_epochs (epoch) VALUES (?1)", {SqliteValue::Text(epoch)});
    if (!status.ok()) return status;
  }
  absl::Status status = db.Run(
      "DELETE FROM replaced_epochs WHERE number NOT IN (SELECT number FROM replaced_epochs ORDER BY number DESC "
      "LIMIT ?1)",
      {SqliteValue::Int(kMaxReplacedEpochs)});
  if (!status.ok()) return status;
  return ReplacedEpochs(db);
}

std::string NewEpoch() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

}  // namespace sluice

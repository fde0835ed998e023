#include "controlplane/store/sqlite_schema.h"

#include <map>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

constexpr uint64_t kSchemaVersion = 1;

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
  return absl::DataLossError(absl::StrCat("store ", db.path(), " is damaged: its header cannot be read"));
}

absl::StatusOr<std::vector<std::string>> ReplacedEpochs(SqliteDb& db) {
  std::vector<std::string> epochs;
  absl::Status status = db.Run("SELECT epoch FROM replaced_epochs ORDER BY number", {},
                               [&epochs](const SqliteRow& row) { epochs.push_back(row.Bytes(0)); });
  if (!status.ok()) return status;
  return epochs;
}

absl::Status CheckEpoch(const std::string& epoch) {
  if (!epoch.empty() && epoch.size() <= kMaxEpochBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an epoch has ", epoch.size(), " bytes; must have 1 to ", kMaxEpochBytes));
}

}  // namespace

absl::Status CreateStoreTables(SqliteDb& db) {
  for (const char* statement : kTables) {
    if (absl::Status status = db.Run(statement); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CreateStoreHeader(SqliteDb& db) {
  absl::Status status = WriteStoreMeta(db, "schema_version", absl::StrCat(kSchemaVersion));
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
    return absl::FailedPreconditionError(absl::StrCat("store ", db.path(), " has schema version ", schema,
                                                      "; this program reads version ", kSchemaVersion));
  }
  absl::StatusOr<std::vector<std::string>> epochs = ReplacedEpochs(db);
  if (!epochs.ok()) return epochs.status();
  header.lineage.replaces_epochs = *std::move(epochs);
  return header;
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

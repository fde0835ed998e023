#include "controlplane/store/history_bounds.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/store/sqlite_schema.h"

namespace sluice {
namespace {

// Kept for a rollback, however large they are.
constexpr uint64_t kLeastRevisions = 10;

uint64_t BytesOf(const StoreEvent& event) {
  uint64_t bytes = 0;
  for (const StoreEvent::Item& item : event.items) bytes += item.resource ? item.resource->ByteSizeLong() : 0;
  return bytes;
}

}  // namespace

absl::Status HistoryBounds::Start(SqliteDb& db, uint64_t compacted) {
  compacted_ = compacted;
  return Measure(db);
}

void HistoryBounds::Committed(SqliteDb& db, uint64_t compacted, const StoreEvent& event) {
  bytes_ += BytesOf(event);
  if (compacted_ == compacted) return;
  compacted_ = compacted;
  // The change is durable; a figure that is too large only compacts early.
  Measure(db).IgnoreError();
}

absl::Status HistoryBounds::Measure(SqliteDb& db) {
  absl::Status status = db.Run(
      "SELECT (SELECT coalesce(sum(length(record)), 0) FROM revisions) + "
      "(SELECT coalesce(sum(length(resource)), 0) FROM versions)",
      {}, [this](const SqliteRow& row) { bytes_ = row.Int(0); });
  // Where what is in force alone is larger, not every commit looks again.
  compact_above_ = std::max(limits_.keep_bytes, bytes_ + limits_.keep_bytes / 4);
  if (bytes_ <= limits_.keep_bytes) compact_above_ = limits_.keep_bytes;
  return status;
}

// The revision up to which to compact, so that what is newer takes three
// quarters of the bytes: not every commit shall compact.
absl::StatusOr<uint64_t> HistoryBounds::NewestBeyondBytes(SqliteDb& db, uint64_t newest) {
  uint64_t upto = 0;
  uint64_t bytes = 0;
  absl::Status status = db.Run(
      "SELECT r.revision, length(r.record) + coalesce((SELECT sum(length(v.resource)) FROM versions v "
      "WHERE v.revision = r.revision), 0) FROM revisions r ORDER BY r.revision DESC",
      {}, [&](const SqliteRow& row) {
        bytes += row.Int(1);
        uint64_t revision = row.Int(0);
        bool spare = revision + kLeastRevisions <= newest;
        if (spare && upto == 0 && bytes > limits_.keep_bytes / 4 * 3) upto = revision;
      });
  if (!status.ok()) return status;
  return upto;
}

// In batches: each costs a look at every version that old.
absl::StatusOr<uint64_t> HistoryBounds::Compact(SqliteDb& db, uint64_t newest) {
  uint64_t batch = std::min<uint64_t>(100, limits_.keep_revisions / 10 + 1);
  uint64_t upto = compacted_;
  if (newest >= compacted_ + limits_.keep_revisions + batch) upto = newest - limits_.keep_revisions;
  if (bytes_ > compact_above_) {
    absl::StatusOr<uint64_t> beyond = NewestBeyondBytes(db, newest);
    if (!beyond.ok()) return beyond.status();
    upto = std::max(upto, *beyond);
  }
  if (upto == compacted_) return compacted_;
  SqliteValue bound = SqliteValue::Int(upto);
  absl::Status status = db.Run("DELETE FROM revisions WHERE revision <= ?1", {bound});
  // The state at upto + 1 must stay whole: only what was replaced by then goes.
  if (status.ok()) {
    status = db.Run(
        "DELETE FROM versions WHERE revision <= ?1 AND (resource IS NULL OR EXISTS (SELECT 1 FROM versions n "
        "WHERE n.kind = versions.kind AND n.name = versions.name AND n.revision > versions.revision AND "
        "n.revision <= ?1 + 1))",
        {bound});
  }
  if (status.ok()) status = WriteStoreMeta(db, "compacted", absl::StrCat(upto));
  if (!status.ok()) return status;
  return upto;
}

}  // namespace sluice

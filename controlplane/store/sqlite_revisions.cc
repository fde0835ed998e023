#include "controlplane/store/sqlite_revisions.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

absl::Status Damaged(const SqliteDb& db, const char* what) {
  return absl::DataLossError(absl::StrCat(db.name(), " is damaged: ", what, " cannot be read"));
}

}  // namespace

absl::StatusOr<PolicyStatePtr> LoadState(SqliteDb& db, std::optional<uint64_t> revision) {
  auto state = std::make_shared<PolicyState>();
  bool parsed = true;
  SqliteValue limit = SqliteValue::Int(revision.value_or(INT64_MAX));
  absl::Status status = db.Run(
      "SELECT revision, created_us FROM revisions WHERE revision <= ?1 ORDER BY revision DESC LIMIT 1", {limit},
      [&state](const SqliteRow& row) {
        state->revision = row.Int(0);
        state->committed = absl::FromUnixMicros(row.Int(1));
      });
  if (!status.ok()) return status;
  status = db.Run(
      "SELECT kind, name, resource FROM versions v WHERE revision <= ?1 AND resource IS NOT NULL AND NOT EXISTS "
      "(SELECT 1 FROM versions n WHERE n.kind = v.kind AND n.name = v.name AND n.revision > v.revision AND "
      "n.revision <= ?1)",
      {limit}, [&](const SqliteRow& row) {
        auto resource = std::make_shared<v1::Resource>();
        parsed = resource->ParseFromString(row.Bytes(2)) && parsed;
        state->resources[ResourceKey{row.Bytes(0), row.Bytes(1)}] = std::move(resource);
      });
  if (!status.ok()) return status;
  if (!parsed) return Damaged(db, "a resource");
  return PolicyStatePtr(std::move(state));
}

absl::StatusOr<StoreEvent> LoadEvent(SqliteDb& db, uint64_t revision) {
  StoreEvent event;
  event.revision = revision;
  bool parsed = true;
  absl::Status status = db.Run("SELECT created_us FROM revisions WHERE revision = ?1",
                               {SqliteValue::Int(revision)}, [&event](const SqliteRow& row) {
                                 event.committed = absl::FromUnixMicros(row.Int(0));
                               });
  if (!status.ok()) return status;
  status = db.Run("SELECT kind, name, resource FROM versions WHERE revision = ?1 ORDER BY kind, name",
                  {SqliteValue::Int(revision)}, [&](const SqliteRow& row) {
                    StoreEvent::Item item{{row.Bytes(0), row.Bytes(1)}, nullptr};
                    if (!row.IsNull(2)) {
                      auto resource = std::make_shared<v1::Resource>();
                      parsed = resource->ParseFromString(row.Bytes(2)) && parsed;
                      item.resource = std::move(resource);
                    }
                    event.items.push_back(std::move(item));
                  });
  if (!status.ok()) return status;
  if (!parsed) return Damaged(db, "a resource");
  return event;
}

absl::StatusOr<std::vector<v1::Revision>> LoadHistory(SqliteDb& db, const HistoryQuery& query, uint64_t newest) {
  std::vector<v1::Revision> revisions;
  bool parsed = true;
  auto on_row = [&](const SqliteRow& row) {
    parsed = revisions.emplace_back().ParseFromString(row.Bytes(0)) && parsed;
  };
  uint64_t before = query.before_revision == 0 ? newest + 1 : query.before_revision;
  before = std::min(before, newest + 1);
  SqliteValue limit = SqliteValue::Int(std::max(query.limit, 0));
  absl::Status status =
      query.resource.has_value()
          ? db.Run("SELECT record FROM revisions WHERE revision < ?1 AND revision IN (SELECT revision FROM "
                   "versions WHERE kind = ?3 AND name = ?4) ORDER BY revision DESC LIMIT ?2",
                   {SqliteValue::Int(before), limit, SqliteValue::Text(query.resource->kind),
                    SqliteValue::Text(query.resource->name)},
                   on_row)
          : db.Run("SELECT record FROM revisions WHERE revision < ?1 ORDER BY revision DESC LIMIT ?2",
                   {SqliteValue::Int(before), limit}, on_row);
  if (!status.ok()) return status;
  if (!parsed) return Damaged(db, "a revision");
  return revisions;
}

absl::Status InsertRevision(SqliteDb& db, const StoreEvent& event, v1::Revision& record) {
  int64_t micros = absl::ToUnixMicros(event.committed);
  record.set_revision(event.revision);
  record.mutable_created()->set_seconds(micros / 1000000);
  record.mutable_created()->set_nanos(static_cast<int32_t>(micros % 1000000) * 1000);
  std::string bytes = record.SerializeAsString();
  absl::Status status =
      db.Run("INSERT INTO revisions (revision, created_us, record) VALUES (?1, ?2, ?3)",
             {SqliteValue::Int(event.revision), SqliteValue::Int(micros), SqliteValue::Blob(bytes)});
  for (const StoreEvent::Item& item : event.items) {
    if (!status.ok()) return status;
    std::string resource = item.resource ? item.resource->SerializeAsString() : "";
    status = db.Run("INSERT INTO versions (kind, name, revision, resource) VALUES (?1, ?2, ?3, ?4)",
                    {SqliteValue::Text(item.key.kind), SqliteValue::Text(item.key.name),
                     SqliteValue::Int(event.revision),
                     item.resource ? SqliteValue::Blob(resource) : SqliteValue::Null()});
  }
  return status;
}

}  // namespace sluice

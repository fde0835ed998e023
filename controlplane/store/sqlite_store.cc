#include "controlplane/store/sqlite_store.h"

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/sqlite_schema.h"

namespace sluice {
namespace {

// Kept for a rollback, however large they are.
constexpr uint64_t kLeastRevisions = 10;

class SqliteStore;

class SqliteWatch : public StoreWatch {
 public:
  explicit SqliteWatch(SqliteStore* store) : store_(store) {}
  ~SqliteWatch() override;

 private:
  SqliteStore* store_;
};

class SqliteStore : public Store {
 public:
  SqliteStore(std::string path, std::unique_ptr<SqliteDb> db, StoreLimits limits,
              std::function<absl::Time()> clock)
      : path_(std::move(path)), limits_(limits), clock_(std::move(clock)), db_(std::move(db)) {}

  absl::Status Initialise(bool new_epoch) {
    absl::MutexLock lock(&mutex_);
    if (absl::Status status = SetPragmas(); !status.ok()) return status;
    SqliteTransaction transaction(*db_);
    if (absl::Status status = transaction.Begin(); !status.ok()) return status;
    if (absl::Status status = PrepareSchema(new_epoch); !status.ok()) return status;
    if (absl::Status status = transaction.Commit(); !status.ok()) return status;
    if (absl::Status status = MeasureHistory(); !status.ok()) return status;
    absl::StatusOr<PolicyStatePtr> state = Load(std::nullopt);
    if (!state.ok()) return state.status();
    current_ = *std::move(state);
    return absl::OkStatus();
  }

  std::string epoch() const override {
    absl::MutexLock lock(&mutex_);
    return epoch_;
  }

  Lineage lineage() override {
    absl::MutexLock lock(&mutex_);
    return lineage_;
  }

  absl::StatusOr<PolicyStatePtr> Current() override {
    absl::MutexLock lock(&mutex_);
    return current_;
  }

  absl::StatusOr<PolicyStatePtr> At(uint64_t revision) override {
    absl::MutexLock lock(&mutex_);
    if (revision == current_->revision) return current_;
    if (absl::Status status = CheckKept(revision); !status.ok()) return status;
    return Load(revision);
  }

  absl::StatusOr<PolicyStatePtr> Commit(StoreWrite write) override {
    absl::MutexLock lock(&mutex_);
    if (write.expected_revision != current_->revision) {
      return absl::AbortedError(absl::StrCat("the store is at revision ", current_->revision, ", not ",
                                             write.expected_revision, " any more"));
    }
    SqliteTransaction transaction(*db_);
    if (absl::Status status = transaction.Begin(); !status.ok()) return status;
    StoreEvent event{current_->revision, current_->committed, {}, epoch_, lineage_.replaces_epochs};
    uint64_t compacted = compacted_;
    if (absl::Status status = WriteChange(write, event, compacted); !status.ok()) return status;
    if (absl::Status status = transaction.Commit(); !status.ok()) return status;
    TakeOver(event, compacted);
    return current_;
  }

  absl::StatusOr<std::optional<RememberedAnswer>> FindAnswer(const std::string& request_id) override {
    absl::MutexLock lock(&mutex_);
    std::optional<RememberedAnswer> answer;
    absl::Status status = db_->Run("SELECT fingerprint, response FROM answers WHERE request_id = ?1",
                                   {SqliteValue::Text(request_id)}, [&answer](const SqliteRow& row) {
                                     answer = RememberedAnswer{row.Bytes(0), row.Bytes(1)};
                                   });
    if (!status.ok()) return status;
    return answer;
  }

  absl::StatusOr<std::vector<v1::Revision>> History(const HistoryQuery& query) override {
    absl::MutexLock lock(&mutex_);
    std::vector<v1::Revision> revisions;
    bool parsed = true;
    auto on_row = [&](const SqliteRow& row) {
      parsed = revisions.emplace_back().ParseFromString(row.Bytes(0)) && parsed;
    };
    uint64_t before = query.before_revision == 0 ? current_->revision + 1 : query.before_revision;
    before = std::min(before, current_->revision + 1);
    SqliteValue limit = SqliteValue::Int(std::max(query.limit, 0));
    absl::Status status =
        query.resource.has_value()
            ? db_->Run("SELECT record FROM revisions WHERE revision < ?1 AND revision IN (SELECT revision FROM "
                       "versions WHERE kind = ?3 AND name = ?4) ORDER BY revision DESC LIMIT ?2",
                       {SqliteValue::Int(before), limit, SqliteValue::Text(query.resource->kind),
                        SqliteValue::Text(query.resource->name)},
                       on_row)
            : db_->Run("SELECT record FROM revisions WHERE revision < ?1 ORDER BY revision DESC LIMIT ?2",
                       {SqliteValue::Int(before), limit}, on_row);
    if (!status.ok()) return status;
    if (!parsed) return Damaged("a revision");
    return revisions;
  }

  absl::StatusOr<std::unique_ptr<StoreWatch>> Watch(uint64_t after_revision, WatchCallback callback) override {
    absl::MutexLock lock(&mutex_);
    if (after_revision < current_->revision) {
      if (absl::Status status = CheckKept(after_revision + 1); !status.ok()) return status;
    }
    for (uint64_t revision = after_revision + 1; revision <= current_->revision; ++revision) {
      absl::StatusOr<StoreEvent> event = LoadEvent(revision);
      if (!event.ok()) return event.status();
      callback(*event);
    }
    auto watch = std::make_unique<SqliteWatch>(this);
    watches_.emplace_back(watch.get(), std::move(callback));
    return watch;
  }

  void Unwatch(const SqliteWatch* watch) {
    absl::MutexLock lock(&mutex_);
    std::erase_if(watches_, [watch](const auto& entry) { return entry.first == watch; });
  }

 private:
  absl::Status SetPragmas() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Exclusive: a second control plane on the same file would not see the
    // changes of the first; so it is refused instead.
    for (const char* pragma : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",
                               // NORMAL can lose an acknowledged commit on power loss.
                               "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 1000"}) {
      if (absl::Status status = db_->Run(pragma); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status PrepareSchema(bool new_epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (absl::Status status = CreateStoreTables(*db_); !status.ok()) return status;
    bool is_new = true;
    absl::Status status =
        db_->Run("SELECT 1 FROM meta LIMIT 1", {}, [&is_new](const SqliteRow&) { is_new = false; });
    if (status.ok() && is_new) status = CreateStoreHeader(*db_);
    if (!status.ok()) return status;
    absl::StatusOr<StoreHeader> header = ReadStoreHeader(*db_);
    if (!header.ok()) return header.status();
    epoch_ = new_epoch ? NewEpoch() : header->epoch;
    compacted_ = header->compacted;
    lineage_ = std::move(header->lineage);
    if (!new_epoch) return absl::OkStatus();
    absl::StatusOr<std::vector<std::string>> epochs = BeginEpoch(epoch_, {header->epoch});
    if (!epochs.ok()) return epochs.status();
    lineage_.replaces_epochs = *std::move(epochs);
    return absl::OkStatus();
  }

  // Returns all that it replaces.
  absl::StatusOr<std::vector<std::string>> BeginEpoch(const std::string& epoch, std::vector<std::string> replaced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (absl::Status status = WriteStoreMeta(*db_, "epoch", epoch); !status.ok()) return status;
    return AddReplacedEpochs(*db_, epoch, replaced);
  }

  absl::Status Damaged(const char* what) const {
    return absl::DataLossError(absl::StrCat("store ", path_, " is damaged: ", what, " cannot be read"));
  }

  absl::Status CheckKept(uint64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (revision > current_->revision) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " does not exist; the newest is ", current_->revision));
    }
    if (revision <= compacted_ && compacted_ > 0) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " was compacted; the oldest kept is ", compacted_ + 1));
    }
    return absl::OkStatus();
  }

  // The newest version of each resource up to `revision` (all, if not given).
  absl::StatusOr<PolicyStatePtr> Load(std::optional<uint64_t> revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto state = std::make_shared<PolicyState>();
    bool parsed = true;
    SqliteValue limit = SqliteValue::Int(revision.value_or(INT64_MAX));
    absl::Status status = db_->Run(
        "SELECT revision, created_us FROM revisions WHERE revision <= ?1 ORDER BY revision DESC LIMIT 1", {limit},
        [&state](const SqliteRow& row) {
          state->revision = row.Int(0);
          state->committed = absl::FromUnixMicros(row.Int(1));
        });
    if (!status.ok()) return status;
    status = db_->Run(
        "SELECT kind, name, resource FROM versions v WHERE revision <= ?1 AND resource IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM versions n WHERE n.kind = v.kind AND n.name = v.name AND n.revision > v.revision AND "
        "n.revision <= ?1)",
        {limit}, [&](const SqliteRow& row) {
          auto resource = std::make_shared<v1::Resource>();
          parsed = resource->ParseFromString(row.Bytes(2)) && parsed;
          state->resources[ResourceKey{row.Bytes(0), row.Bytes(1)}] = std::move(resource);
        });
    if (!status.ok()) return status;
    if (!parsed) return Damaged("a resource");
    return PolicyStatePtr(std::move(state));
  }

  absl::StatusOr<StoreEvent> LoadEvent(uint64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    StoreEvent event;
    event.revision = revision;
    event.epoch = epoch_;
    event.replaces_epochs = lineage_.replaces_epochs;
    bool parsed = true;
    absl::Status status = db_->Run("SELECT created_us FROM revisions WHERE revision = ?1",
                                   {SqliteValue::Int(revision)}, [&event](const SqliteRow& row) {
                                     event.committed = absl::FromUnixMicros(row.Int(0));
                                   });
    if (!status.ok()) return status;
    status = db_->Run("SELECT kind, name, resource FROM versions WHERE revision = ?1 ORDER BY kind, name",
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
    if (!parsed) return Damaged("a resource");
    return event;
  }

  StoreEvent MakeEvent(StoreWrite& write) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    StoreEvent event;
    event.revision = current_->revision + 1;
    event.epoch = write.new_epoch ? NewEpoch() : epoch_;
    event.replaces_epochs = lineage_.replaces_epochs;
    // What is stored has microseconds; the same time must come back after a restart.
    event.committed = absl::FromUnixMicros(absl::ToUnixMicros(clock_()));
    for (v1::Resource& put : write.puts) {
      StampResource(put, event.epoch, event.revision);
      const auto* field =
          put.GetReflection()->GetOneofFieldDescriptor(put, put.GetDescriptor()->FindOneofByName("spec"));
      ResourceKey key{field == nullptr ? std::string() : field->message_type()->name(), put.meta().name()};
      event.items.push_back({std::move(key), std::make_shared<v1::Resource>(std::move(put))});
    }
    for (const ResourceKey& key : write.deletes) event.items.push_back({key, nullptr});
    std::sort(event.items.begin(), event.items.end(),
              [](const StoreEvent::Item& a, const StoreEvent::Item& b) { return a.key < b.key; });
    return event;
  }

  // Everything that the write asks for, within a transaction.
  absl::Status WriteChange(StoreWrite& write, StoreEvent& event, uint64_t& compacted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!write.puts.empty() || !write.deletes.empty()) {
      event = MakeEvent(write);
      if (absl::Status status = WriteRevision(event, write.record); !status.ok()) return status;
      absl::StatusOr<uint64_t> result = Compact(event.revision);
      if (!result.ok()) return result.status();
      compacted = *result;
    }
    if (write.new_epoch) {
      if (event.items.empty()) event.epoch = NewEpoch();
      write.replaces_epochs.push_back(epoch_);
      absl::StatusOr<std::vector<std::string>> epochs = BeginEpoch(event.epoch, write.replaces_epochs);
      if (!epochs.ok()) return epochs.status();
      event.replaces_epochs = *std::move(epochs);
    } else if (!write.replaces_epochs.empty()) {
      absl::StatusOr<std::vector<std::string>> epochs = AddReplacedEpochs(*db_, epoch_, write.replaces_epochs);
      if (!epochs.ok()) return epochs.status();
      event.replaces_epochs = *std::move(epochs);
    }
    return WriteAnswer(write);
  }

  // What was committed, in memory and to watchers.
  void TakeOver(const StoreEvent& event, uint64_t compacted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (event.items.empty() && event.epoch == epoch_ && event.replaces_epochs == lineage_.replaces_epochs) return;
    epoch_ = event.epoch;
    lineage_.replaces_epochs = event.replaces_epochs;
    history_bytes_ += BytesOf(event);
    if (compacted_ != compacted) {
      compacted_ = compacted;
      // The change is durable; a figure that is too large only compacts early.
      MeasureHistory().IgnoreError();
    }
    if (!event.items.empty()) current_ = Apply(*current_, event);
    for (auto& [watch, callback] : watches_) callback(event);
  }

  absl::Status WriteRevision(const StoreEvent& event, v1::Revision& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    int64_t micros = absl::ToUnixMicros(event.committed);
    record.set_revision(event.revision);
    record.mutable_created()->set_seconds(micros / 1000000);
    record.mutable_created()->set_nanos(static_cast<int32_t>(micros % 1000000) * 1000);
    std::string bytes = record.SerializeAsString();
    absl::Status status =
        db_->Run("INSERT INTO revisions (revision, created_us, record) VALUES (?1, ?2, ?3)",
                 {SqliteValue::Int(event.revision), SqliteValue::Int(micros), SqliteValue::Blob(bytes)});
    for (const StoreEvent::Item& item : event.items) {
      if (!status.ok()) return status;
      std::string resource = item.resource ? item.resource->SerializeAsString() : "";
      status = db_->Run("INSERT INTO versions (kind, name, revision, resource) VALUES (?1, ?2, ?3, ?4)",
                        {SqliteValue::Text(item.key.kind), SqliteValue::Text(item.key.name),
                         SqliteValue::Int(event.revision),
                         item.resource ? SqliteValue::Blob(resource) : SqliteValue::Null()});
    }
    return status;
  }

  absl::Status WriteAnswer(const StoreWrite& write) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (write.request_id.empty()) return absl::OkStatus();
    absl::Status status = db_->Run(
        "INSERT INTO answers (request_id, fingerprint, response) VALUES (?1, ?2, ?3)",
        {SqliteValue::Text(write.request_id), SqliteValue::Blob(write.answer.fingerprint),
         SqliteValue::Blob(write.answer.response)});
    if (!status.ok()) return status;
    return db_->Run("DELETE FROM answers WHERE number <= (SELECT max(number) FROM answers) - ?1",
                    {SqliteValue::Int(limits_.keep_answers)});
  }

  static uint64_t BytesOf(const StoreEvent& event) {
    uint64_t bytes = 0;
    for (const StoreEvent::Item& item : event.items) bytes += item.resource ? item.resource->ByteSizeLong() : 0;
    return bytes;
  }

  absl::Status MeasureHistory() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::Status status = db_->Run(
        "SELECT (SELECT coalesce(sum(length(record)), 0) FROM revisions) + "
        "(SELECT coalesce(sum(length(resource)), 0) FROM versions)",
        {}, [this](const SqliteRow& row) {
          mutex_.AssertHeld();
          history_bytes_ = row.Int(0);
        });
    // Where what is in force alone is larger, not every commit looks again.
    compact_above_ = std::max(limits_.keep_bytes, history_bytes_ + limits_.keep_bytes / 4);
    if (history_bytes_ <= limits_.keep_bytes) compact_above_ = limits_.keep_bytes;
    return status;
  }

  // The revision up to which to compact, so that what is newer takes three
  // quarters of the bytes: not every commit shall compact.
  absl::StatusOr<uint64_t> NewestBeyondBytes(uint64_t newest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    uint64_t upto = 0;
    uint64_t bytes = 0;
    absl::Status status = db_->Run(
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

  // Returns the revision up to which is compacted. In batches: each costs a
  // look at every version that old.
  absl::StatusOr<uint64_t> Compact(uint64_t newest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    uint64_t batch = std::min<uint64_t>(100, limits_.keep_revisions / 10 + 1);
    uint64_t upto = compacted_;
    if (newest >= compacted_ + limits_.keep_revisions + batch) upto = newest - limits_.keep_revisions;
    if (history_bytes_ > compact_above_) {
      absl::StatusOr<uint64_t> beyond = NewestBeyondBytes(newest);
      if (!beyond.ok()) return beyond.status();
      upto = std::max(upto, *beyond);
    }
    if (upto == compacted_) return compacted_;
    SqliteValue bound = SqliteValue::Int(upto);
    absl::Status status = db_->Run("DELETE FROM revisions WHERE revision <= ?1", {bound});
    // The state at upto + 1 must stay whole: only what was replaced by then goes.
    if (status.ok()) {
      status = db_->Run(
          "DELETE FROM versions WHERE revision <= ?1 AND (resource IS NULL OR EXISTS (SELECT 1 FROM versions n "
          "WHERE n.kind = versions.kind AND n.name = versions.name AND n.revision > versions.revision AND "
          "n.revision <= ?1 + 1))",
          {bound});
    }
    if (status.ok()) status = WriteStoreMeta(*db_, "compacted", absl::StrCat(upto));
    if (!status.ok()) return status;
    return upto;
  }

  static PolicyStatePtr Apply(const PolicyState& before, const StoreEvent& event) {
    auto after = std::make_shared<PolicyState>(before);
    after->revision = event.revision;
    after->committed = event.committed;
    for (const StoreEvent::Item& item : event.items) {
      if (item.resource) {
        after->resources[item.key] = item.resource;
      } else {
        after->resources.erase(item.key);
      }
    }
    return after;
  }

  const std::string path_;
  const StoreLimits limits_;
  const std::function<absl::Time()> clock_;

  mutable absl::Mutex mutex_;
  std::string epoch_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<SqliteDb> db_ ABSL_GUARDED_BY(mutex_);
  PolicyStatePtr current_ ABSL_GUARDED_BY(mutex_);
  Lineage lineage_ ABSL_GUARDED_BY(mutex_);
  // Revisions up to and including this one are gone.
  uint64_t compacted_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of records and resources, all revisions; and from when on it is too much.
  uint64_t history_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t compact_above_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<const SqliteWatch*, WatchCallback>> watches_ ABSL_GUARDED_BY(mutex_);
};

SqliteWatch::~SqliteWatch() { store_->Unwatch(this); }

}  // namespace

void StampResource(v1::Resource& resource, const std::string& epoch, uint64_t revision) {
  resource.mutable_meta()->set_revision(revision);
  resource.mutable_meta()->set_etag(absl::StrCat(epoch.substr(0, 8), "-", revision));
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const StoreLimits& limits,
                                                       std::function<absl::Time()> clock, bool new_epoch) {
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = SqliteDb::Open(path);
  if (!db.ok()) return db.status();
  if (!clock) clock = [] { return absl::Now(); };
  auto store = std::make_unique<SqliteStore>(path, *std::move(db), limits, std::move(clock));
  if (absl::Status status = store->Initialise(new_epoch); !status.ok()) return status;
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& location, const StoreLimits& limits,
                                                 bool new_epoch) {
  std::string path = location;
  if (absl::StartsWith(location, "sqlite:")) {
    path = location.substr(7);
  } else if (absl::StartsWith(location, "etcd:")) {
    return absl::UnimplementedError(
        absl::StrCat("store ", location, ": etcd is not served by this version; write sqlite:PATH"));
  }
  // "redis:x" is no file of that name; a path with a colon has a slash before it.
  const size_t colon = path.find(':');
  if (path == location && colon != std::string::npos && path.find('/') > colon) {
    return absl::InvalidArgumentError(absl::StrCat("store ", location, ": \"", path.substr(0, colon),
                                                   "\" is no kind of store; write sqlite:PATH"));
  }
  if (path.empty()) return absl::InvalidArgumentError("store: the path is missing; write sqlite:PATH");
  return OpenSqliteStore(path, limits, nullptr, new_epoch);
}

}  // namespace sluice

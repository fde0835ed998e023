#include "controlplane/store/sqlite_store.h"

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "controlplane/store/history_bounds.h"
#include "controlplane/store/sqlite_copy.h"
#include "controlplane/store/sqlite_file.h"
#include "controlplane/store/sqlite_revisions.h"
#include "controlplane/store/sqlite_schema.h"
#include "controlplane/store/store_files.h"

namespace sluice {
namespace {

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
  SqliteStore(StoreFile file, const StoreLimits& limits, std::function<absl::Time()> clock)
      : path_(std::move(file.path)),
        location_(absl::StrCat("sqlite:", path_)),
        limits_(limits),
        clock_(std::move(clock)),
        lock_(std::move(file.lock)),
        db_(std::move(file.db)),
        history_(limits) {}

  absl::Status Initialise() {
    absl::MutexLock lock(&mutex_);
    if (absl::Status status = CheckStoreTables(*db_); !status.ok()) return status;
    if (absl::Status status = SetPragmas(); !status.ok()) return status;
    SqliteTransaction transaction(*db_);
    absl::Status status = transaction.Begin();
    if (status.ok()) status = CreateStoreTables(*db_);
    if (status.ok()) status = transaction.Commit();
    if (!status.ok()) return status;
    absl::StatusOr<StoreHeader> header = ReadStoreHeader(*db_);
    if (!header.ok()) return header.status();
    epoch_ = header->epoch;
    lineage_ = std::move(header->lineage);
    if (absl::Status started = history_.Start(*db_, header->compacted); !started.ok()) return started;
    absl::StatusOr<PolicyStatePtr> state = LoadState(*db_, std::nullopt);
    if (!state.ok()) return state.status();
    current_ = *std::move(state);
    return absl::OkStatus();
  }

  std::string epoch() const override {
    absl::MutexLock lock(&mutex_);
    return epoch_;
  }
  const std::string& location() const override { return location_; }

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
    return LoadState(*db_, revision);
  }

  absl::StatusOr<PolicyStatePtr> Commit(StoreWrite write) override {
    absl::MutexLock lock(&mutex_);
    if (write.expected_revision != current_->revision) {
      return absl::AbortedError(absl::StrCat("the store is at revision ", current_->revision, ", not ",
                                             write.expected_revision, " any more"));
    }
    if (db_->HasMoved()) return Moved();
    SqliteTransaction transaction(*db_);
    if (absl::Status status = transaction.Begin(); !status.ok()) return status;
    StoreEvent event{current_->revision, current_->committed, {}, epoch_, lineage_.replaces_epochs};
    uint64_t compacted = history_.compacted();
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

  absl::StatusOr<std::unique_ptr<StoreCopy>> Copy(const std::function<bool()>& cancelled) override {
    {
      absl::MutexLock lock(&mutex_);
      if (copying_) return absl::ResourceExhaustedError("a backup is under way, one at a time; try again");
      copying_ = true;
    }
    absl::StatusOr<std::unique_ptr<StoreCopy>> copy = MakeCopy(absl::StrCat(path_, kCopySuffix), cancelled);
    if (!copy.ok()) {
      RemoveStoreFiles(absl::StrCat(path_, kCopySuffix));
      EndCopy();
    }
    return copy;
  }

  absl::StatusOr<std::vector<v1::Revision>> History(const HistoryQuery& query) override {
    absl::MutexLock lock(&mutex_);
    return LoadHistory(*db_, query, current_->revision);
  }

  absl::StatusOr<std::unique_ptr<StoreWatch>> Watch(uint64_t after_revision, WatchCallback callback) override {
    absl::MutexLock lock(&mutex_);
    if (after_revision < current_->revision) {
      if (absl::Status status = CheckKept(after_revision + 1); !status.ok()) return status;
    }
    for (uint64_t revision = after_revision + 1; revision <= current_->revision; ++revision) {
      absl::StatusOr<StoreEvent> event = LoadEvent(*db_, revision);
      if (!event.ok()) return event.status();
      event->epoch = epoch_;
      event->replaces_epochs = lineage_.replaces_epochs;
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
    for (const char* pragma : {"PRAGMA journal_mode = WAL",
                               // NORMAL can lose an acknowledged commit on power loss.
                               "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 1000"}) {
      if (absl::Status status = db_->Run(pragma); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Moved() const {
    return absl::DataLossError(absl::StrCat(
        StoreName(path_), " was removed or replaced under this control plane, and a change would be lost with it: "
        "'sluicectl backup' still gets what it holds; stop, restore that, start again"));
  }

  // Returns all that it replaces.
  absl::StatusOr<std::vector<std::string>> BeginEpoch(const std::string& epoch, std::vector<std::string> replaced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (absl::Status status = WriteStoreMeta(*db_, "epoch", epoch); !status.ok()) return status;
    return AddReplacedEpochs(*db_, epoch, replaced);
  }

  // Through this store's own connection, so that it works where the file lost
  // its name, and next to the store: on a disk as large, and as private.
  absl::StatusOr<std::unique_ptr<StoreCopy>> MakeCopy(const std::string& path, const std::function<bool()>& cancelled) {
    const std::string name = absl::StrCat("the copy ", path);
    if (absl::Status status = CopyPages(path, name, cancelled); !status.ok()) return status;
    absl::StatusOr<CheckedStore> checked = CheckStoreCopy(path, name);
    if (!checked.ok()) return checked.status();
    return StreamStoreCopy(path, *std::move(checked), [this] { EndCopy(); });
  }

  absl::Status CopyPages(const std::string& path, const std::string& name, const std::function<bool()>& cancelled) {
    absl::StatusOr<std::unique_ptr<SqliteDb>> to = OpenForCopy(path, name);
    if (!to.ok()) return to.status();
    std::unique_ptr<SqliteCopier> copier;
    absl::StatusOr<bool> done = false;
    while (done.ok() && !*done && !cancelled()) {
      absl::MutexLock lock(&mutex_);
      done = StepCopy(**to, copier);
    }
    absl::MutexLock lock(&mutex_);
    copier.reset();
    if (!done.ok()) return done.status();
    return *done ? absl::OkStatus() : absl::CancelledError("the backup was cancelled");
  }

  absl::StatusOr<bool> StepCopy(SqliteDb& to, std::unique_ptr<SqliteCopier>& copier)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (copier == nullptr) {
      absl::StatusOr<std::unique_ptr<SqliteCopier>> begun = SqliteCopier::Begin(*db_, to);
      if (!begun.ok()) return begun.status();
      copier = *std::move(begun);
    }
    return copier->Step(kPagesPerStep);
  }

  void EndCopy() {
    absl::MutexLock lock(&mutex_);
    copying_ = false;
  }

  absl::Status CheckKept(uint64_t revision) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (revision > current_->revision) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " does not exist; the newest is ", current_->revision));
    }
    if (revision <= history_.compacted() && history_.compacted() > 0) {
      return absl::OutOfRangeError(
          absl::StrCat("revision ", revision, " was compacted; the oldest kept is ", history_.compacted() + 1));
    }
    return absl::OkStatus();
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
      if (absl::Status status = InsertRevision(*db_, event, write.record); !status.ok()) return status;
      absl::StatusOr<uint64_t> result = history_.Compact(*db_, event.revision);
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
    history_.Committed(*db_, compacted, event);
    if (!event.items.empty()) current_ = Apply(*current_, event);
    for (auto& [watch, callback] : watches_) callback(event);
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
  const std::string location_;
  const StoreLimits limits_;
  const std::function<absl::Time()> clock_;
  // Given up after the connection is closed.
  const std::unique_ptr<StoreLock> lock_;

  mutable absl::Mutex mutex_;
  std::string epoch_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<SqliteDb> db_ ABSL_GUARDED_BY(mutex_);
  HistoryBounds history_ ABSL_GUARDED_BY(mutex_);
  PolicyStatePtr current_ ABSL_GUARDED_BY(mutex_);
  Lineage lineage_ ABSL_GUARDED_BY(mutex_);
  bool copying_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::pair<const SqliteWatch*, WatchCallback>> watches_ ABSL_GUARDED_BY(mutex_);
};

SqliteWatch::~SqliteWatch() { store_->Unwatch(this); }

}  // namespace

void StampResource(v1::Resource& resource, const std::string& epoch, uint64_t revision) {
  resource.mutable_meta()->set_revision(revision);
  resource.mutable_meta()->set_etag(absl::StrCat(epoch.substr(0, 8), "-", revision));
}

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const StoreLimits& limits,
                                                       std::function<absl::Time()> clock, StoreCreation creation) {
  absl::StatusOr<StoreFile> file = OpenStoreFile(path, creation);
  if (!file.ok()) return file.status();
  if (!clock) clock = [] { return absl::Now(); };
  auto store = std::make_unique<SqliteStore>(*std::move(file), limits, std::move(clock));
  if (absl::Status status = store->Initialise(); !status.ok()) return WithAdvice(status);
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& location, const StoreLimits& limits,
                                                 StoreCreation creation) {
  absl::StatusOr<std::string> path = StorePathOf(location);
  if (!path.ok()) return path.status();
  return OpenSqliteStore(*path, limits, nullptr, creation);
}

}  // namespace sluice

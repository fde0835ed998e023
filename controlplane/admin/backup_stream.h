// Backups over the Admin service, one at a time. A thread of its own makes the
// copy, checks it, and hands it on piece by piece, as both take as long as disk
// and reader do.
//
// What a reader gets: a header; data; last a trailer with size and SHA-256 of
// all data. Without the trailer, or where it does not fit, the copy is not whole
// and must not be kept: it is written to a file aside, and renamed at the end.
#ifndef SLUICE_CONTROLPLANE_ADMIN_BACKUP_STREAM_H_
#define SLUICE_CONTROLPLANE_ADMIN_BACKUP_STREAM_H_

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/admin/admin_observer.h"
#include "controlplane/store/store.h"
#include "grpcpp/support/server_callback.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

inline constexpr size_t kBackupPartBytes = 256 << 10;
// A reader that takes nothing for so long holds up the next one, and a copy's room.
inline constexpr absl::Duration kBackupReaderPatience = absl::Seconds(60);

class Backups {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::BackupResponse>;

  // Both must outlive this; `observer` may be null.
  Backups(Store& store, AdminObserver* observer, absl::Duration patience = kBackupReaderPatience)
      : store_(store), observer_(observer), patience_(patience) {}
  // Waits for what is under way: the server that it is of has ended it.
  ~Backups();

  Reactor* Begin(grpc::CallbackServerContext* context);

 private:
  class Stream;
  // The whole of one backup, on its thread.
  void Run(Stream* stream);

  Store& store_;
  AdminObserver* const observer_;
  const absl::Duration patience_;
  absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_BACKUP_STREAM_H_

// Where calls find the policies in force. Written by the config worker once
// per revision, read by every loop once per call: one pointer swap makes old
// and new atomic.
#ifndef SLUICE_SERVER_CONFIG_ROUTE_TABLE_SOURCE_H_
#define SLUICE_SERVER_CONFIG_ROUTE_TABLE_SOURCE_H_

#include <memory>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/engine/route_table.h"

namespace sluice {

// Thread-safe.
class RouteTableSource {
 public:
  // Null until the first configuration. A call keeps what it got here.
  std::shared_ptr<const RouteTable> Current() const {
    std::lock_guard lock(mutex_);
    return table_;
  }

  void Set(std::shared_ptr<const RouteTable> table) {
    {
      std::lock_guard lock(mutex_);
      table_.swap(table);
    }
    // The old table is freed here, outside the lock: it may be large.
  }

 private:
  // Held for one copy of a pointer. (std::atomic<std::shared_ptr> of this
  // library takes a lock as well, one that sanitizers cannot follow.)
  mutable std::mutex mutex_;
  std::shared_ptr<const RouteTable> table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_ROUTE_TABLE_SOURCE_H_

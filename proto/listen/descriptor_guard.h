// The shares of a running process: who takes what, who was refused, and what is
// told of it. One a process; any thread.
#ifndef SLUICE_PROTO_LISTEN_DESCRIPTOR_GUARD_H_
#define SLUICE_PROTO_LISTEN_DESCRIPTOR_GUARD_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "proto/listen/descriptor_budget.h"
#include "proto/listen/shortage.h"

namespace sluice {

// Why a connection was not served.
enum class RefusalCause {
  kBudget,  // its share is used up
  kSystem,  // the process or the machine has no descriptor left
  kSilent,  // it sent nothing in time
};

class DescriptorGuard {
 public:
  using Log = std::function<void(const std::string& line)>;

  explicit DescriptorGuard(const DescriptorBudget& budget, Log log = {});

  const DescriptorBudget& budget() const { return budget_; }
  DescriptorShare& callers() { return callers_; }
  DescriptorShare& upstreams() { return upstreams_; }

  // A caller finds no room, and waits.
  void CallerWaits(RefusalCause cause);
  // It was not served. Silent ones are no shortage.
  void CallerRefused(RefusalCause cause);
  // A connection to an upstream could not be made.
  void UpstreamRefused(RefusalCause cause);
  // From time to time: ends what is over.
  void Look();

  // A line each for what is short now.
  std::vector<std::string> Shortages();

  struct Figures {
    int64_t in_use = 0;
    int64_t refused_budget = 0;
    int64_t refused_system = 0;
    int64_t refused_silent = 0;
    bool is_short = false;
  };
  Figures CallerFigures();
  Figures UpstreamFigures();

 private:
  struct Side {
    Side(std::string_view name, std::string_view effect, std::string_view whom) : of(name), shortage(effect, whom) {}
    const std::string_view of;  // a literal
    Shortage shortage;
    int64_t refused[3] = {};  // by cause
  };

  // The line to log, outside of the lock: whoever reads the log may be slow.
  std::string Meet(Side& side, const DescriptorShare& share, RefusalCause cause);
  static void Count(Side& side, RefusalCause cause);
  static Figures FiguresOf(const Side& side, const DescriptorShare& share);
  void Tell(const std::string& line) const;

  const DescriptorBudget budget_;
  const Log log_;
  DescriptorShare callers_;
  DescriptorShare upstreams_;
  std::mutex mutex_;
  Side caller_side_ ABSL_GUARDED_BY(mutex_);
  Side upstream_side_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_DESCRIPTOR_GUARD_H_

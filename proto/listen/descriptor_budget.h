// How many file descriptors there are, and what they are for. A process without
// any cannot accept, connect, read a file or answer a scrape, so callers and
// upstream connections get shares that they cannot exceed, and the rest is kept
// for what must always work. Made once at the start by both planes.
#ifndef SLUICE_PROTO_LISTEN_DESCRIPTOR_BUDGET_H_
#define SLUICE_PROTO_LISTEN_DESCRIPTOR_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice {

// What a program needs, as far as it knows.
struct DescriptorNeeds {
  // Its own: loops, queues, listeners, store, logs, policy files, the stream from
  // the control plane, names that are looked up. Never shared out.
  int64_t own = 40;
  // Scrapes and probes at a time.
  int64_t metrics = 16;
  // --max-connections; 0: what is left, shared equally with upstream connections.
  int64_t callers = 0;
  // Whether the program connects to upstreams.
  bool upstreams = true;
};

struct DescriptorBudget {
  int64_t limit = 0;      // of the process
  int64_t callers = 0;    // connections accepted
  int64_t upstreams = 0;  // connections made
  int64_t metrics = 0;
  int64_t reserve = 0;  // the rest

  // "descriptors: 20,000 may be open: 9,772 for callers, …".
  std::string ToString() const;
};

// FAILED_PRECONDITION: the limit is too low to serve anybody, or too low for the
// connections that were asked for; tells what would do.
absl::StatusOr<DescriptorBudget> SplitDescriptors(int64_t limit, const DescriptorNeeds& needs);

// Raises the soft limit to the hard one and returns it: the usual soft limit of
// 1,024 is for programs that use select().
int64_t RaiseDescriptorLimit();

// The kernel's table of descriptors doubles as it fills. In a process with
// threads each doubling waits for an RCU grace period, 10 to 20 ms in which the
// thread that opened a socket stands still. So it gets its size at the start;
// 8 bytes a descriptor.
void GrowDescriptorTable(int64_t descriptors);

// Those of this process that are open now; reads /proc.
int64_t CountOpenDescriptors();

// Whether an errno says that this process or machine has no descriptor, or no
// memory for one: a limit of ours, whoever the call was about.
bool IsOutOfDescriptors(int error);

// Whether none could be opened right now. For calls of libraries that tell only
// that they failed.
bool NoDescriptorLeft();

// "9,870".
std::string WithThousands(int64_t number);

// A share, and who has how much of it. Any thread.
class DescriptorShare {
 public:
  explicit DescriptorShare(int64_t limit) : limit_(limit) {}

  // Takes one; false when none is left.
  bool TryTake();
  void Give(int64_t count = 1) { in_use_.fetch_sub(count, std::memory_order_release); }

  int64_t limit() const { return limit_; }
  int64_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

 private:
  const int64_t limit_;
  std::atomic<int64_t> in_use_{0};
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_DESCRIPTOR_BUDGET_H_

#include "proto/listen/descriptor_budget.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// Below it a share is of no use.
constexpr int64_t kLeastShare = 8;
// Of the limit: libraries open some of which nobody told us.
constexpr int64_t kReservePart = 50;
// "Unlimited" is not a number to share out.
constexpr int64_t kMostDescriptors = int64_t{1} << 30;

absl::Status TooLow(int64_t limit, int64_t needed, std::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("the limit of file descriptors (ulimit -n) is ",
                                                    WithThousands(limit), ", too low for ", std::string(why),
                                                    "; at least ", WithThousands(needed), " are needed"));
}

// The least limit that leaves `wanted` to share out.
int64_t LeastLimit(int64_t kept, int64_t wanted) {
  int64_t limit = kept + wanted;
  while (limit - kept - limit / kReservePart < wanted) ++limit;
  return limit;
}

}  // namespace

std::string DescriptorBudget::ToString() const {
  std::string text = absl::StrCat("descriptors: ", WithThousands(limit), " may be open: ", WithThousands(callers),
                                  " for callers, ");
  if (upstreams > 0) absl::StrAppend(&text, WithThousands(upstreams), " for upstream connections, ");
  return absl::StrCat(text, WithThousands(metrics), " for metrics, ", WithThousands(reserve), " in reserve");
}

absl::StatusOr<DescriptorBudget> SplitDescriptors(int64_t limit, const DescriptorNeeds& needs) {
  const int64_t kept = needs.own + needs.metrics;
  const int64_t least_others = needs.upstreams ? kLeastShare : 0;
  const int64_t left = limit - kept - limit / kReservePart;
  if (left < kLeastShare + least_others) {
    return TooLow(limit, LeastLimit(kept, kLeastShare + least_others), "this program");
  }
  if (needs.callers > left - least_others) {
    return TooLow(limit, LeastLimit(kept, needs.callers + least_others),
                  absl::StrCat("--max-connections ", needs.callers));
  }
  DescriptorBudget budget;
  budget.limit = limit;
  budget.metrics = needs.metrics;
  budget.callers = needs.callers;
  if (budget.callers == 0) budget.callers = needs.upstreams ? left / 2 : left;
  budget.upstreams = needs.upstreams ? left - budget.callers : 0;
  budget.reserve = limit - budget.callers - budget.upstreams - budget.metrics;
  return budget;
}

int64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  const bool raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
  return static_cast<int64_t>(std::min<rlim_t>(raised ? limit.rlim_max : before, kMostDescriptors));
}

void GrowDescriptorTable(int64_t descriptors) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t last = std::min<rlim_t>(static_cast<rlim_t>(descriptors), limit.rlim_cur) - 1;
  const int high = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(last));
  if (high >= 0) close(high);
}

int64_t CountOpenDescriptors() {
  DIR* folder = opendir("/proc/self/fd");
  // None is left to look with.
  if (folder == nullptr) {
    rlimit limit{};
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int64_t>(limit.rlim_cur) : 0;
  }
  int64_t count = 0;
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.';
  closedir(folder);
  return count - 1;  // the folder itself
}

bool IsOutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool NoDescriptorLeft() {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IsOutOfDescriptors(errno);
  close(fd);
  return false;
}

std::string WithThousands(int64_t number) {
  std::string text = absl::StrCat(number);
  const int64_t first = number < 0 ? 1 : 0;
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > first; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

bool DescriptorShare::TryTake() {
  int64_t used = in_use_.load(std::memory_order_relaxed);
  do {
    if (used >= limit_) return false;
  } while (!in_use_.compare_exchange_weak(used, used + 1, std::memory_order_acquire, std::memory_order_relaxed));
  return true;
}

}  // namespace sluice

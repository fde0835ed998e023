#include "proto/listen/descriptor_guard.h"

#include <chrono>
#include <utility>

namespace sluice {
namespace {

// A clock that nobody sets.
absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

DescriptorGuard::DescriptorGuard(const DescriptorBudget& budget, Log log)
    : budget_(budget),
      log_(std::move(log)),
      callers_(budget.callers),
      upstreams_(budget.upstreams),
      caller_side_("for callers", "new callers wait", "caller"),
      upstream_side_("for upstream connections", "calls that need a new upstream connection are refused", "call") {}

void DescriptorGuard::Tell(const std::string& line) const {
  if (!line.empty() && log_) log_(line);
}

std::string DescriptorGuard::Meet(Side& side, const DescriptorShare& share, RefusalCause cause) {
  const absl::Time now = SteadyNow();
  if (cause == RefusalCause::kBudget) return side.shortage.Meet(now, share.in_use(), share.limit(), side.of);
  // Counting takes a while: only for the line.
  const int64_t all = side.shortage.line().empty() ? CountOpenDescriptors() : 0;
  return side.shortage.Meet(now, all, budget_.limit, "");
}

void DescriptorGuard::Count(Side& side, RefusalCause cause) {
  if (cause != RefusalCause::kSilent) side.shortage.Refuse();
  ++side.refused[static_cast<int>(cause)];
}

void DescriptorGuard::CallerWaits(RefusalCause cause) {
  std::string line;
  {
    std::lock_guard lock(mutex_);
    line = Meet(caller_side_, callers_, cause);
  }
  Tell(line);
}

void DescriptorGuard::CallerRefused(RefusalCause cause) {
  std::string line;
  {
    std::lock_guard lock(mutex_);
    if (cause != RefusalCause::kSilent) line = Meet(caller_side_, callers_, cause);
    Count(caller_side_, cause);
  }
  Tell(line);
}

void DescriptorGuard::UpstreamRefused(RefusalCause cause) {
  std::string line;
  {
    std::lock_guard lock(mutex_);
    line = Meet(upstream_side_, upstreams_, cause);
    Count(upstream_side_, cause);
  }
  Tell(line);
}

void DescriptorGuard::Look() {
  std::string lines[2];
  {
    std::lock_guard lock(mutex_);
    const absl::Time now = SteadyNow();
    lines[0] = caller_side_.shortage.Look(now);
    lines[1] = upstream_side_.shortage.Look(now);
  }
  for (const std::string& line : lines) Tell(line);
}

std::vector<std::string> DescriptorGuard::Shortages() {
  std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  for (const Side* side : {&caller_side_, &upstream_side_}) {
    if (!side->shortage.line().empty()) lines.push_back(side->shortage.line());
  }
  return lines;
}

DescriptorGuard::Figures DescriptorGuard::FiguresOf(const Side& side, const DescriptorShare& share) {
  return {share.in_use(), side.refused[0], side.refused[1], side.refused[2], !side.shortage.line().empty()};
}

DescriptorGuard::Figures DescriptorGuard::CallerFigures() {
  std::lock_guard lock(mutex_);
  return FiguresOf(caller_side_, callers_);
}

DescriptorGuard::Figures DescriptorGuard::UpstreamFigures() {
  std::lock_guard lock(mutex_);
  return FiguresOf(upstream_side_, upstreams_);
}

}  // namespace sluice

#include "server/command/live_counters.h"

#include <algorithm>
#include <cmath>

#include "server/resilience/failure.h"

namespace sluice {
namespace {

constexpr double kGrowth = 1.1;
// 1 ms · 1.1^150 is half an hour: no first token takes longer.
constexpr uint16_t kLastCell = 150;

bool IsError(const AttemptRecord& attempt) {
  if (attempt.outcome != AttemptOutcome::kFailed) return false;
  const Fault fault = TraitsOf(attempt.failure).fault;
  return fault != Fault::kCaller && fault != Fault::kNone;
}

TimePoint EndOf(const AttemptRecord& attempt) { return attempt.started + attempt.duration; }

}  // namespace

uint16_t LiveTally::CellOf(Duration first_token) {
  const double ms = absl::ToDoubleMilliseconds(first_token);
  if (!(ms > 1)) return 0;
  // A value on the bound itself belongs below it, whatever the logarithm says.
  const double cell = std::ceil(std::log(ms) / std::log(kGrowth) - 1e-9);
  return static_cast<uint16_t>(std::min(cell, static_cast<double>(kLastCell)));
}

Duration LiveTally::UpperBound(uint16_t cell) {
  return absl::Trunc(absl::Milliseconds(std::pow(kGrowth, cell)), absl::Microseconds(1));
}

void LiveTally::AddFirstToken(uint16_t cell, uint32_t count) {
  auto place = std::lower_bound(first_token.begin(), first_token.end(), std::pair<uint16_t, uint32_t>(cell, 0));
  if (place == first_token.end() || place->first != cell) place = first_token.insert(place, {cell, 0});
  place->second += count;
}

void LiveTally::Add(const LiveTally& other) {
  attempts += other.attempts;
  errors += other.errors;
  retries += other.retries;
  for (const auto& [cell, count] : other.first_token) AddFirstToken(cell, count);
}

Duration LiveTally::Percentile(double share) const {
  uint64_t all = 0;
  for (const auto& [cell, count] : first_token) all += count;
  uint64_t seen = 0;
  for (const auto& [cell, count] : first_token) {
    seen += count;
    if (static_cast<double>(seen) >= share * static_cast<double>(all)) return UpperBound(cell);
  }
  return absl::ZeroDuration();
}

LiveTally* LiveCounter::TallyOf(const AttemptRecord& attempt) {
  const TimePoint now = EndOf(attempt);
  LiveKey key(attempt.upstream, attempt.endpoint);
  auto found = endpoints_.find(key);
  if (found == endpoints_.end()) {
    if (endpoints_.size() >= max_endpoints_) {
      absl::erase_if(endpoints_, [now](const auto& entry) { return entry.second.last_used + absl::Seconds(kSeconds) < now; });
    }
    if (endpoints_.size() >= max_endpoints_) return nullptr;
    found = endpoints_.try_emplace(std::move(key)).first;
  }
  found->second.last_used = std::max(found->second.last_used, now);
  return &found->second.buckets.At(now);
}

void LiveCounter::AttemptEnded(const CallInfo&, const AttemptRecord& attempt) {
  // It never began: there is nothing to tell of the endpoint.
  if (attempt.endpoint.empty()) return;
  std::lock_guard lock(mutex_);
  LiveTally* tally = TallyOf(attempt);
  if (tally == nullptr) return;
  ++tally->attempts;
  if (IsError(attempt)) ++tally->errors;
  if (attempt.time_to_first_token) tally->AddFirstToken(LiveTally::CellOf(*attempt.time_to_first_token), 1);
}

void LiveCounter::RetryScheduled(const CallInfo&, const AttemptRecord& failed, Duration, bool) {
  if (failed.endpoint.empty()) return;
  std::lock_guard lock(mutex_);
  if (LiveTally* tally = TallyOf(failed)) ++tally->retries;
}

void LiveCounter::MergeInto(std::map<LiveKey, LiveTally>& sums, TimePoint now) const {
  std::lock_guard lock(mutex_);
  for (const auto& [key, endpoint] : endpoints_) {
    LiveTally& sum = sums[key];
    endpoint.buckets.ForEach(now, [&sum](const LiveTally& tally) { sum.Add(tally); });
  }
}

LiveCounter& LiveCounters::AddLoop() {
  std::lock_guard lock(mutex_);
  return *loops_.emplace_back(std::make_unique<LiveCounter>(max_endpoints_));
}

std::map<LiveKey, LiveTally> LiveCounters::Sums(TimePoint now) const {
  std::map<LiveKey, LiveTally> sums;
  std::lock_guard lock(mutex_);
  for (const auto& loop : loops_) loop->MergeInto(sums, now);
  return sums;
}

Duration LiveCounters::Window(TimePoint now, TimePoint started) {
  const Duration second = absl::Seconds(1);
  const Duration current = (now - absl::UnixEpoch()) % second;
  const Duration whole = absl::Seconds(LiveCounter::kSeconds - 1) + current;
  return std::clamp(now - started, absl::Milliseconds(1), whole);
}

}  // namespace sluice

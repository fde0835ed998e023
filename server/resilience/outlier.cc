#include "server/resilience/outlier.h"

#include <algorithm>

namespace sluice {

bool MayEject(const OutlierConfig& config, size_t pool, size_t out) {
  if (pool < 2 || config.max_ejected_percent <= 0) return false;
  return out == 0 || (out + 1) * 100.0 <= config.max_ejected_percent * pool;
}

bool OutlierHost::OnFailure(const OutlierConfig& config, TimePoint now) {
  if (ejected(now)) return false;
  in_row_ = std::min(in_row_ + 1, config.consecutive_failures);
  return in_row_ >= config.consecutive_failures;
}

bool OutlierHost::OnCut(const OutlierConfig& config, TimePoint now) {
  if (ejected(now)) return false;
  cuts_in_row_ = std::min(cuts_in_row_ + 1, config.consecutive_failures);
  return OnFailure(config, now) || cuts_in_row_ >= config.consecutive_failures;
}

void OutlierHost::Eject(const OutlierConfig& config, TimePoint now) {
  const Duration longest = std::max(config.base_ejection, config.max_ejection);
  multiplier_ = MultiplierAt(config, now);
  // Not beyond what the cap allows (Envoy; A50 counts on): a host that was out
  // often would take as long again to be forgiven.
  if (config.base_ejection * multiplier_ < longest) ++multiplier_;
  ejected_until_ = now + std::min(config.base_ejection * multiplier_, longest);
  in_row_ = cuts_in_row_ = 0;
  ++ejections_;
}

uint32_t OutlierHost::MultiplierAt(const OutlierConfig& config, TimePoint now) const {
  if (multiplier_ == 0 || now <= ejected_until_) return multiplier_;
  Duration rest;
  const int64_t clean = absl::IDivDuration(now - ejected_until_, std::max(config.interval, absl::Nanoseconds(1)), &rest);
  return clean >= multiplier_ ? 0 : multiplier_ - static_cast<uint32_t>(clean);
}

OutlierFigures OutlierHost::Figures(const OutlierConfig& config, TimePoint now) const {
  return {.ejected = ejected(now),
          .ejected_until = ejected_until_,
          .consecutive_failures = std::max(in_row_, cuts_in_row_),
          .multiplier = MultiplierAt(config, now),
          .ejections = ejections_};
}

}  // namespace sluice

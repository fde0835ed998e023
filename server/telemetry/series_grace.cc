#include "server/telemetry/series_grace.h"

#include <algorithm>

namespace sluice {

// What is not in force now was at the scrape before, if it was looked at then:
// it went in between. (A last-known-good configuration is older than the process.)
void SeriesGrace::Begin(absl::Time now, absl::Time since) {
  before_ = std::min(now_, now);
  now_ = now;
  gone_since_ = std::clamp(since, before_, now);
  ++scrape_;
}

bool SeriesGrace::Over(const std::string& key, double value) {
  const auto [found, is_new] = notes_.try_emplace(key, Note{value, gone_since_, scrape_});
  Note& note = found->second;
  if (!is_new && note.value != value) note = {value, now_, scrape_};
  note.scrape = scrape_;
  return now_ - note.since >= keep_;
}

// What was not asked for is in force again, or gone for good.
void SeriesGrace::End() {
  absl::erase_if(notes_, [this](const auto& entry) { return entry.second.scrape != scrape_; });
}

}  // namespace sluice

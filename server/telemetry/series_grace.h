// When a series is forgotten: after a grace in which what it is about was in no
// policy in force and it did not change. A running call of a deleted route still
// counts, and a scrape may come late. Time is an argument; not thread-safe: the
// collector that owns it locks.
#ifndef SLUICE_SERVER_TELEMETRY_SERIES_GRACE_H_
#define SLUICE_SERVER_TELEMETRY_SERIES_GRACE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/telemetry/policy_names.h"

namespace sluice {

// The names that are in force, and since when. Null: none yet.
struct NamesInForce {
  std::shared_ptr<const PolicyNames> names;
  absl::Time since = absl::InfinitePast();
};

struct SeriesKeeping {
  // Longer than a rollback takes, so that what comes back counts on; and a last
  // scrape finds how a deleted thing ended.
  absl::Duration keep = absl::Minutes(10);
  // Asked for each scrape; not set: nothing is forgotten.
  std::function<NamesInForce()> in_force;
  std::function<absl::Time()> clock = absl::Now;
};

class SeriesGrace {
 public:
  explicit SeriesGrace(absl::Duration keep) : keep_(keep) {}

  // Around the series of one scrape. `since`: see NamesInForce.
  void Begin(absl::Time now, absl::Time since);
  void End();

  // For each series that is not in force, at each scrape: whether its grace is
  // over. `value` tells whether it changed.
  bool Over(const std::string& key, double value);

 private:
  struct Note {
    double value = 0;
    absl::Time since;  // gone, and unchanged
    uint64_t scrape = 0;
  };

  const absl::Duration keep_;
  absl::Time now_ = absl::InfinitePast();
  absl::Time before_ = absl::InfinitePast();  // the scrape before
  absl::Time gone_since_ = absl::InfinitePast();
  uint64_t scrape_ = 0;
  absl::flat_hash_map<std::string, Note> notes_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_SERIES_GRACE_H_

// A set of metric families with labels, bounded in size: our own cells,
// because a histogram of prometheus-cpp locks a mutex each time.
#ifndef SLUICE_SERVER_TELEMETRY_SERIES_H_
#define SLUICE_SERVER_TELEMETRY_SERIES_H_

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"

namespace sluice {

// What a family is; static, shared by all sets.
struct FamilySpec {
  const char* name;
  const char* help;
  std::vector<const char*> labels;
  // Upper bounds of a histogram's buckets; empty: a counter.
  std::vector<double> bounds;
};

// One series: a counter's value, or a histogram.
struct Cell {
  double sum = 0;
  uint64_t count = 0;
  std::vector<uint64_t> buckets;  // not cumulative; the last one is above all bounds
};

// Not thread-safe: its owner locks.
class SeriesSet {
 public:
  // `specs` outlives the set. At most `max_series` label combinations per
  // family: what comes later is counted where every label says "other".
  SeriesSet(const std::vector<FamilySpec>& specs, size_t max_series);

  // Values in the order of the spec.
  using Labels = absl::Span<const std::string_view>;
  // Allocate only for a series that is new.
  void Add(size_t family, Labels labels, double value = 1);
  void Observe(size_t family, Labels labels, double value);

  // Adds another set of the same specs to this one. A merged set is bounded by
  // what was merged.
  void MergeFrom(const SeriesSet& other);
  // Those for which `chosen` says so.
  using Values = std::vector<std::string>;
  struct Key {
    size_t family;
    Values values;
  };
  std::vector<Key> Select(absl::FunctionRef<bool(const FamilySpec&, const Values&, const Cell&)> chosen) const;
  // It begins anew when it is counted again.
  void Forget(const Key& key);
  // Series in a stable order.
  std::vector<prometheus::MetricFamily> Render() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Values& values) const;
    size_t operator()(Labels values) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Values& a, const Values& b) const { return a == b; }
    bool operator()(const Values& a, Labels b) const;
  };
  using Family = absl::flat_hash_map<Values, Cell, Hash, Equal>;

  Cell& CellFor(size_t family, Labels labels);

  const std::vector<FamilySpec>* specs_;
  size_t max_series_;
  std::vector<Family> families_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_SERIES_H_

#include "server/telemetry/series.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace sluice {
namespace {

prometheus::ClientMetric Labelled(const FamilySpec& spec, const std::vector<std::string>& values) {
  prometheus::ClientMetric metric;
  for (size_t i = 0; i < values.size(); ++i) {
    metric.label.push_back({spec.labels[i], values[i]});
  }
  return metric;
}

void FillHistogram(const FamilySpec& spec, const Cell& cell, prometheus::ClientMetric& metric) {
  metric.histogram.sample_count = cell.count;
  metric.histogram.sample_sum = cell.sum;
  uint64_t cumulative = 0;
  for (size_t i = 0; i < spec.bounds.size(); ++i) {
    cumulative += cell.buckets[i];
    metric.histogram.bucket.push_back({cumulative, spec.bounds[i]});
  }
}

template <typename Values>
size_t HashOfAll(const Values& values) {
  size_t hash = values.size();
  for (const std::string_view value : values) hash = absl::HashOf(hash, value);
  return hash;
}

void AddTo(Cell& to, const Cell& from) {
  to.sum += from.sum;
  to.count += from.count;
  to.buckets.resize(from.buckets.size());
  for (size_t i = 0; i < from.buckets.size(); ++i) {
    to.buckets[i] += from.buckets[i];
  }
}

}  // namespace

SeriesSet::SeriesSet(const std::vector<FamilySpec>& specs, size_t max_series)
    : specs_(&specs), max_series_(max_series), families_(specs.size()) {}

size_t SeriesSet::Hash::operator()(const Values& values) const { return HashOfAll(values); }
size_t SeriesSet::Hash::operator()(Labels values) const { return HashOfAll(values); }

bool SeriesSet::Equal::operator()(const Values& a, Labels b) const {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Cell& SeriesSet::CellFor(size_t family, Labels labels) {
  Family& cells = families_[family];
  if (auto it = cells.find(labels); it != cells.end()) return it->second;
  Values values(labels.begin(), labels.end());
  if (cells.size() >= max_series_) std::fill(values.begin(), values.end(), "other");
  return cells.try_emplace(std::move(values)).first->second;
}

void SeriesSet::Add(size_t family, Labels labels, double value) { CellFor(family, labels).sum += value; }

void SeriesSet::Observe(size_t family, Labels labels, double value) {
  const std::vector<double>& bounds = (*specs_)[family].bounds;
  Cell& cell = CellFor(family, labels);
  cell.buckets.resize(bounds.size() + 1);
  // Prometheus' buckets include their upper bound.
  ++cell.buckets[std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin()];
  cell.sum += value;
  ++cell.count;
}

void SeriesSet::MergeFrom(const SeriesSet& other) {
  for (size_t i = 0; i < families_.size(); ++i) {
    for (const auto& [labels, cell] : other.families_[i]) {
      AddTo(families_[i][labels], cell);
    }
  }
}

std::vector<SeriesSet::Key> SeriesSet::Select(
    absl::FunctionRef<bool(const FamilySpec&, const Values&, const Cell&)> chosen) const {
  std::vector<Key> keys;
  for (size_t i = 0; i < families_.size(); ++i) {
    for (const auto& [values, cell] : families_[i]) {
      if (chosen((*specs_)[i], values, cell)) keys.push_back({i, values});
    }
  }
  return keys;
}

void SeriesSet::Forget(const Key& key) { families_[key.family].erase(key.values); }

std::vector<prometheus::MetricFamily> SeriesSet::Render() const {
  std::vector<prometheus::MetricFamily> out;
  for (size_t i = 0; i < families_.size(); ++i) {
    const FamilySpec& spec = (*specs_)[i];
    const bool histogram = !spec.bounds.empty();
    prometheus::MetricFamily family{
        spec.name, spec.help, histogram ? prometheus::MetricType::Histogram : prometheus::MetricType::Counter, {}};
    std::vector<const Family::value_type*> sorted;
    for (const auto& entry : families_[i]) {
      sorted.push_back(&entry);
    }
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->first < b->first; });
    for (const auto* entry : sorted) {
      family.metric.push_back(Labelled(spec, entry->first));
      if (histogram) {
        FillHistogram(spec, entry->second, family.metric.back());
      } else {
        family.metric.back().counter.value = entry->second.sum;
      }
    }
    out.push_back(std::move(family));
  }
  return out;
}

}  // namespace sluice

#include "server/telemetry/kept_series.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// No label has a line's end in it.
std::string KeyOf(const MetricFamily& family, const ClientMetric& metric) {
  std::string key = family.name;
  for (const auto& label : metric.label) absl::StrAppend(&key, "\n", label.name, "\n", label.value);
  return key;
}

bool InForce(const PolicyNames* names, const ClientMetric& metric) {
  if (names == nullptr) return true;
  PolicyNames::LabelViews labels;
  for (const auto& label : metric.label) labels.emplace_back(label.name, label.value);
  return names->InForce(labels);
}

}  // namespace

KeptSeries::KeptSeries(std::shared_ptr<prometheus::Collectable> collector, SeriesKeeping keeping)
    : collector_(std::move(collector)), keeping_(std::move(keeping)), grace_(keeping_.keep) {}

std::vector<MetricFamily> KeptSeries::Collect() const {
  std::vector<MetricFamily> families = collector_->Collect();
  const NamesInForce in_force = keeping_.in_force ? keeping_.in_force() : NamesInForce();
  std::lock_guard lock(mutex_);
  ++scrape_;
  grace_.Begin(keeping_.clock(), in_force.since);
  for (MetricFamily& family : families) Keep(family, in_force.names.get());
  grace_.End();
  return families;
}

void KeptSeries::Keep(MetricFamily& family, const PolicyNames* names) const {
  const bool counter = family.type == MetricType::Counter;
  Counters& counters = families_[family.name];
  std::vector<ClientMetric> shown;
  for (ClientMetric& metric : family.metric) {
    const std::string key = KeyOf(family, metric);
    if (IsOver(key, metric, counter, names)) {
      counters.erase(key);
      continue;
    }
    if (counter) CountOn(counters[key], metric);
    shown.push_back(std::move(metric));
  }
  family.metric = std::move(shown);
  if (counter) AddAbsent(family, counters);
}

bool KeptSeries::IsOver(const std::string& key, const ClientMetric& metric, bool counter,
                        const PolicyNames* names) const {
  if (InForce(names, metric)) return false;
  const double value = counter ? metric.counter.value : metric.gauge.value;
  return grace_.Over(key, value) && (counter || value == 0);
}

void KeptSeries::CountOn(Counter& kept, ClientMetric& metric) const {
  const double figure = metric.counter.value;
  if (figure < kept.figure) kept.before += kept.figure;
  kept.figure = figure;
  kept.labels = metric.label;
  kept.scrape = scrape_;
  metric.counter.value = kept.before + figure;
}

void KeptSeries::AddAbsent(MetricFamily& family, Counters& counters) const {
  for (auto it = counters.begin(); it != counters.end();) {
    const Counter& kept = it->second;
    const double value = kept.before + kept.figure;
    if (kept.scrape == scrape_) {
      ++it;
    } else if (grace_.Over(it->first, value)) {
      it = counters.erase(it);
    } else {
      ClientMetric& metric = family.metric.emplace_back();
      metric.label = kept.labels;
      metric.counter.value = value;
      ++it;
    }
  }
}

}  // namespace sluice

#include "proto/listen/descriptor_collector.h"

#include <string>

namespace sluice {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void AddSample(MetricFamily& family, std::vector<ClientMetric::Label> labels, int64_t value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  const auto number = static_cast<double>(value);
  if (family.type == MetricType::Counter) {
    metric.counter.value = number;
  } else {
    metric.gauge.value = number;
  }
  family.metric.push_back(std::move(metric));
}

void AddRefusals(MetricFamily& family, const std::string& share, const DescriptorGuard::Figures& figures) {
  AddSample(family, {{"cause", "budget"}, {"share", share}}, figures.refused_budget);
  AddSample(family, {{"cause", "system"}, {"share", share}}, figures.refused_system);
}

}  // namespace

std::vector<MetricFamily> DescriptorCollector::Collect() const {
  const DescriptorBudget& budget = guard_->budget();
  const DescriptorGuard::Figures callers = guard_->CallerFigures();
  const DescriptorGuard::Figures upstreams = guard_->UpstreamFigures();
  MetricFamily limit{"sluice_descriptors_limit", "File descriptors that each share may have; all: the process.",
                     MetricType::Gauge, {}};
  MetricFamily in_use{"sluice_descriptors_in_use", "File descriptors that each share has; all: the process.",
                      MetricType::Gauge, {}};
  MetricFamily is_short{"sluice_descriptors_short", "1 while a share is used up and connections are refused or wait.",
                        MetricType::Gauge, {}};
  MetricFamily refused{"sluice_connections_refused_total",
                       "Connections that were not served, by share and cause; silent: they sent nothing in time.",
                       MetricType::Counter, {}};
  AddSample(limit, {{"share", "all"}}, budget.limit);
  AddSample(limit, {{"share", "callers"}}, budget.callers);
  AddSample(limit, {{"share", "metrics"}}, budget.metrics);
  AddSample(limit, {{"share", "reserve"}}, budget.reserve);
  AddSample(in_use, {{"share", "all"}}, CountOpenDescriptors());
  AddSample(in_use, {{"share", "callers"}}, callers.in_use);
  AddSample(is_short, {{"share", "callers"}}, callers.is_short ? 1 : 0);
  AddRefusals(refused, "callers", callers);
  AddSample(refused, {{"cause", "silent"}, {"share", "callers"}}, callers.refused_silent);
  if (budget.upstreams > 0) {
    AddSample(limit, {{"share", "upstreams"}}, budget.upstreams);
    AddSample(in_use, {{"share", "upstreams"}}, upstreams.in_use);
    AddSample(is_short, {{"share", "upstreams"}}, upstreams.is_short ? 1 : 0);
    AddRefusals(refused, "upstreams", upstreams);
  }
  return {std::move(limit), std::move(in_use), std::move(is_short), std::move(refused)};
}

}  // namespace sluice

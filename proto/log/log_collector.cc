#include "proto/log/log_collector.h"

namespace sluice {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<prometheus::ClientMetric::Label>;

void AddCount(MetricFamily& family, Labels labels, uint64_t value) {
  auto& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(value);
}

std::string NameOf(LineSort sort) { return sort == LineSort::kCalls ? "calls" : "program"; }

}  // namespace

std::vector<MetricFamily> LogCollector::Collect() const {
  const LineWriterFigures figures = figures_();
  MetricFamily lines{prefix_ + "_log_lines_total", "Lines taken by the log: the program's and those of calls.",
                     MetricType::Counter, {}};
  MetricFamily dropped{prefix_ + "_log_dropped_total",
                       "Lines of the log that were not written: over the rate, no room, refused by the output.",
                       MetricType::Counter, {}};
  for (LineSort sort : sorts_) {
    const LineFigures& of = figures.of(sort);
    AddCount(lines, {{"log", NameOf(sort)}}, of.lines);
    // The program's lines have no rate.
    if (sort == LineSort::kCalls) AddCount(dropped, {{"log", NameOf(sort)}, {"reason", "rate"}}, of.dropped_by_rate);
    AddCount(dropped, {{"log", NameOf(sort)}, {"reason", "buffer"}}, of.dropped_by_buffer);
    AddCount(dropped, {{"log", NameOf(sort)}, {"reason", "output"}}, of.dropped_by_output);
  }
  return {std::move(lines), std::move(dropped)};
}

}  // namespace sluice

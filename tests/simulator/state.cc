#include "tests/simulator/state.h"

namespace sluice::simulator {

std::chrono::milliseconds State::Draw(const Latency& latency) {
  if (latency.jitter.count() == 0) return latency.least;
  std::uniform_int_distribution<int64_t> more(0, latency.jitter.count());
  return latency.least + std::chrono::milliseconds(more(chance));
}

void State::CountRequest(RequestEntry entry) {
  ++stats.by_fault[entry.fault];
  if (!entry.key.empty()) ++stats.by_key[entry.key];
  ++stats.by_model[entry.model];
  const std::chrono::duration<double, std::milli> at = std::chrono::steady_clock::now() - started;
  entry.at_ms = at.count();
  entries.push_back(std::move(entry));
  if (entries.size() > kMaxEntries) entries.pop_front();
}

}  // namespace sluice::simulator

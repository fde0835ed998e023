#include "tests/bench/cancel_log.h"

#include <unistd.h>

#include <fstream>

namespace sluice::bench {
namespace {

// What takes longer has not been cancelled, whatever the caller was told.
constexpr int kWaits = 60;
constexpr useconds_t kWaitUs = 50'000;

}  // namespace

std::vector<float> CancelLog::Await(const std::string& closed_file) const {
  std::vector<float> latencies = Read(closed_file);
  for (int i = 0; i < kWaits && latencies.size() < cancelled_.size(); ++i) {
    usleep(kWaitUs);
    latencies = Read(closed_file);
  }
  return latencies;
}

std::vector<float> CancelLog::Read(const std::string& closed_file) const {
  std::ifstream file(closed_file);
  std::vector<float> latencies;
  uint64_t call = 0;
  int64_t closed_ns = 0;
  while (file >> call >> closed_ns) {
    const auto found = cancelled_.find(call);
    if (found != cancelled_.end()) latencies.push_back(static_cast<float>(closed_ns - found->second) / 1'000'000);
  }
  return latencies;
}

}  // namespace sluice::bench

// How long it takes from a caller's cancel until the upstream sees its
// connection closed. The two ends write on one clock (stamp.h); the upstream's
// notes are lines of "CALL NANOSECONDS".
#ifndef SLUICE_TESTS_BENCH_CANCEL_LOG_H_
#define SLUICE_TESTS_BENCH_CANCEL_LOG_H_

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace sluice::bench {

class CancelLog {
 public:
  void OnCancel(uint64_t call, int64_t now_ns) { cancelled_.emplace(call, now_ns); }

  // Reads the upstream's notes until all are there; gives up after some
  // seconds. Milliseconds, of those that were found.
  std::vector<float> Await(const std::string& closed_file) const;

  size_t size() const { return cancelled_.size(); }

 private:
  std::vector<float> Read(const std::string& closed_file) const;

  std::unordered_map<uint64_t, int64_t> cancelled_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_CANCEL_LOG_H_

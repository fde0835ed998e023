// Which of several equal places: by weight, the least busy, or the fastest. Pure;
// called for each plan of an attempt.
#ifndef SLUICE_SERVER_RESILIENCE_BALANCER_H_
#define SLUICE_SERVER_RESILIENCE_BALANCER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

// What balancing knows of a candidate.
struct CandidateLoad {
  double weight = 1;  // above 0; less than its own during slow start
  int in_flight = 0;
  Duration ewma;  // of the time to first token; zero: not known
};

// Weights with their running sums, so that one pick of many costs O(log n).
class WeightedIndex {
 public:
  void Reserve(size_t size) { ends_.reserve(size); }
  // 0 or more; what has 0 is never picked.
  void Add(double weight) { ends_.push_back(total() + weight); }
  double total() const { return ends_.empty() ? 0 : ends_.back(); }
  size_t size() const { return ends_.size(); }

  // In proportion to the weights; `at` in [0, 1). Some weight must be above 0.
  size_t Pick(double at) const;

 private:
  std::vector<double> ends_;
};

// All of these need at least one candidate.

size_t PickWeighted(absl::Span<const CandidateLoad> candidates, Random& random);

// The least busy of `choices` different ones drawn by weight (gRFC A48, there
// 2..10 and with repetition: of two endpoints that would be a coin half of the
// time). Busy: calls in flight for each unit of weight; a tie is the first
// drawn's, so that an idle pool goes by weight.
size_t PickLeastRequest(absl::Span<const CandidateLoad> candidates, uint32_t choices, Random& random);

// Of two drawn by weight the one where a call may expect its first token
// sooner: ewma · (in flight + 1) ÷ weight. One that never answered is tried
// before all others, and by one call at a time as long as there are others.
size_t PickPeakEwma(absl::Span<const CandidateLoad> candidates, Random& random);

// The comparisons, for candidates that were drawn some other way.
size_t LeastBusy(absl::Span<const CandidateLoad> drawn);
size_t Fastest(absl::Span<const CandidateLoad> drawn);

// Bounds of `choices`.
inline constexpr uint32_t kMinChoices = 2;
inline constexpr uint32_t kMaxChoices = 10;

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_BALANCER_H_

#include "server/resilience/balancer.h"

#include <algorithm>
#include <array>
#include <limits>

namespace sluice {
namespace {

// Different candidates drawn by weight, in the order of the draws.
class Draw {
 public:
  Draw(absl::Span<const CandidateLoad> candidates, uint32_t choices, Random& random) : candidates_(candidates) {
    for (const CandidateLoad& candidate : candidates) left_ += candidate.weight;
    const size_t wanted = std::min<size_t>({choices, kMaxChoices, candidates.size()});
    while (size_ < wanted) Add(random);
  }

  template <typename Less>
  size_t Lowest(Less less) const {
    size_t best = drawn_[0];
    for (size_t i = 1; i < size_; ++i) {
      if (less(candidates_[drawn_[i]], candidates_[best])) best = drawn_[i];
    }
    return best;
  }

 private:
  void Add(Random& random) {
    double at = random.Uniform() * left_;
    size_t pick = candidates_.size();
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (Has(i)) continue;
      pick = i;  // the last one where rounding overshoots
      at -= candidates_[i].weight;
      if (at < 0) break;
    }
    drawn_[size_++] = pick;
    left_ -= candidates_[pick].weight;
  }

  bool Has(size_t candidate) const {
    return std::find(drawn_.begin(), drawn_.begin() + size_, candidate) != drawn_.begin() + size_;
  }

  absl::Span<const CandidateLoad> candidates_;
  std::array<size_t, kMaxChoices> drawn_{};
  size_t size_ = 0;
  double left_ = 0;
};

bool LessBusyThan(const CandidateLoad& a, const CandidateLoad& b) {
  return a.in_flight * b.weight < b.in_flight * a.weight;
}

// In seconds. Without an answer yet: nothing for the first call, for ever for
// those that would go after it unseen.
double Expected(const CandidateLoad& candidate) {
  if (candidate.ewma <= absl::ZeroDuration()) {
    return candidate.in_flight == 0 ? 0 : std::numeric_limits<double>::infinity();
  }
  return absl::ToDoubleSeconds(candidate.ewma) * (candidate.in_flight + 1) / candidate.weight;
}

bool FasterThan(const CandidateLoad& a, const CandidateLoad& b) {
  const double at_a = Expected(a);
  const double at_b = Expected(b);
  // Of two that never answered, the less busy one.
  if (at_a == at_b) return LessBusyThan(a, b);
  return at_a < at_b;
}

template <typename Less>
size_t Lowest(absl::Span<const CandidateLoad> drawn, Less less) {
  return static_cast<size_t>(std::min_element(drawn.begin(), drawn.end(), less) - drawn.begin());
}

}  // namespace

size_t WeightedIndex::Pick(double at) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), at * total());
  if (end != ends_.end()) return static_cast<size_t>(end - ends_.begin());
  // Rounded up to the total: the last one with a weight.
  return static_cast<size_t>(std::lower_bound(ends_.begin(), ends_.end(), total()) - ends_.begin());
}

size_t PickWeighted(absl::Span<const CandidateLoad> candidates, Random& random) {
  return Draw(candidates, 1, random).Lowest(LessBusyThan);
}

size_t PickLeastRequest(absl::Span<const CandidateLoad> candidates, uint32_t choices, Random& random) {
  return Draw(candidates, std::max(choices, kMinChoices), random).Lowest(LessBusyThan);
}

size_t PickPeakEwma(absl::Span<const CandidateLoad> candidates, Random& random) {
  return Draw(candidates, 2, random).Lowest(FasterThan);
}

size_t LeastBusy(absl::Span<const CandidateLoad> drawn) { return Lowest(drawn, LessBusyThan); }

size_t Fastest(absl::Span<const CandidateLoad> drawn) { return Lowest(drawn, FasterThan); }

}  // namespace sluice

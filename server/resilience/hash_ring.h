// Consistent hashing: a call's hash leads to the same endpoint on every data
// plane, and when an endpoint goes only its own keys move (gRFC A42). Built once
// per revision, then immutable; pure.
#ifndef SLUICE_SERVER_RESILIENCE_HASH_RING_H_
#define SLUICE_SERVER_RESILIENCE_HASH_RING_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"

namespace sluice {

// The same in every process and version: data planes must agree on where a key
// belongs. FNV-1a, mixed.
uint64_t StableHash(std::string_view text);
// Another hash of two: for each `salt` independent of the others'.
uint64_t MixHash(uint64_t hash, uint64_t salt);
// In [0, 1), of a hash.
double UnitOf(uint64_t hash);

class HashRing {
 public:
  static constexpr uint32_t kMinSize = 1024;
  static constexpr uint32_t kMaxSize = 8 << 20;

  struct Member {
    uint64_t hash;  // StableHash of its name
    double weight;  // above 0
  };

  // Points in proportion to the weights. How many there are for a unit of weight
  // is a power of two that follows the smallest weight, not the number of
  // members, so that one that goes moves no other's points: the smallest gets
  // min_size or more, and less only where all would be more than 65,536 (or
  // twice min_size), but never less than one. At most `max_size` points, and one
  // for each member.
  HashRing(absl::Span<const Member> members, uint32_t min_size, uint32_t max_size = kMaxSize);

  size_t size() const { return points_.size(); }

  // The number of the member that a key belongs to; there must be one.
  uint32_t Owner(uint64_t key) const { return points_[Position(key)].member; }

  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  // Goes clockwise from the key: the first member that `accept` takes, or kNone
  // after a whole turn. `accept` may see a member again.
  uint32_t Find(uint64_t key, absl::FunctionRef<bool(uint32_t member)> accept) const;

 private:
  struct Point {
    uint64_t hash;
    uint32_t member;
  };
  size_t Position(uint64_t key) const;

  std::vector<Point> points_;  // by hash
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_HASH_RING_H_

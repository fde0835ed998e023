#include "server/resilience/hash_ring.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

// Points for a pool whose size matters; 16 bytes each.
constexpr double kUsualSize = 65536;

// SplitMix64's finaliser.
uint64_t Finish(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Points for a unit of weight: a power of two, 1 and less included.
double Scale(absl::Span<const HashRing::Member> members, double min_size, double max_size) {
  double total = 0;
  double least = members[0].weight;
  for (const HashRing::Member& member : members) {
    total += member.weight;
    least = std::min(least, member.weight);
  }
  // Enough for a point of the smallest, where the bound allows it.
  const double usual = std::max({kUsualSize, 2 * min_size, total / least});
  const double bound = std::min(usual, max_size);
  double scale = std::exp2(std::ceil(std::log2(min_size / least)));
  while (total * scale > bound) scale /= 2;
  return scale;
}

}  // namespace

uint64_t StableHash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Finish(hash);
}

uint64_t MixHash(uint64_t hash, uint64_t salt) { return Finish(hash + (salt + 1) * 0x9e3779b97f4a7c15u); }

double UnitOf(uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

HashRing::HashRing(absl::Span<const Member> members, uint32_t min_size, uint32_t max_size) {
  if (members.empty()) return;
  min_size = std::clamp(min_size, 1u, kMaxSize);
  max_size = std::clamp(max_size, min_size, kMaxSize);
  const double scale = Scale(members, min_size, max_size);
  for (uint32_t m = 0; m < members.size(); ++m) {
    const auto points = std::max<uint64_t>(1, static_cast<uint64_t>(std::llround(members[m].weight * scale)));
    for (uint64_t i = 0; i < points; ++i) points_.push_back({MixHash(members[m].hash, i), m});
  }
  // Of points that fall together the one whose member was named first.
  std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.member < b.member;
  });
}

size_t HashRing::Position(uint64_t key) const {
  const auto next = std::lower_bound(points_.begin(), points_.end(), key,
                                     [](const Point& point, uint64_t at) { return point.hash < at; });
  return next == points_.end() ? 0 : static_cast<size_t>(next - points_.begin());
}

uint32_t HashRing::Find(uint64_t key, absl::FunctionRef<bool(uint32_t member)> accept) const {
  if (points_.empty()) return kNone;
  const size_t start = Position(key);
  for (size_t i = 0; i < points_.size(); ++i) {
    const size_t at = start + i < points_.size() ? start + i : start + i - points_.size();
    if (accept(points_[at].member)) return points_[at].member;
  }
  return kNone;
}

}  // namespace sluice

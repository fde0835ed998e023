// The part of PushHub that keeps what was last in force: a node that joins while
// the newest revision is refused would else have nothing to serve with.
#include <algorithm>

#include "controlplane/push/push_hub.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

constexpr size_t kKept = 2;

}  // namespace

void PushHub::NoteInForce(const CatalogPtr& catalog) {
  const auto older = [](const CatalogPtr& a, const CatalogPtr& b) { return a->revision < b->revision; };
  auto place = std::lower_bound(in_force_.begin(), in_force_.end(), catalog, older);
  if (place != in_force_.end() && (*place)->revision == catalog->revision) return;
  in_force_.insert(place, catalog);
  if (in_force_.size() > kKept) in_force_.erase(in_force_.begin());
}

void PushHub::OfferInForce(Node& node, absl::Time now) {
  // One that runs something, of whatever epoch, goes on with it.
  if (!node.stays() || !node.epoch.empty()) return;
  const uint64_t refused = node.parked_revision;
  CatalogPtr last;
  for (const CatalogPtr& catalog : in_force_) {
    if (catalog->revision < refused) last = catalog;
  }
  // After a start of this program the nodes know better than we do.
  uint64_t newest = last ? last->revision : 0;
  for (const auto& [id, other] : nodes_) {
    const uint64_t runs = other.connected() ? RevisionHere(other, standing_) : 0;
    if (runs < refused) newest = std::max(newest, runs);
  }
  if (newest <= node.offered_revision) return;
  if (!last || last->revision != newest) {
    wanted_ = newest;
    return;
  }
  node.offered_revision = newest;
  Begin(node, NewPlan(nullptr, last), now);
}

void PushHub::LoadWanted() {
  Store* store = nullptr;
  uint64_t revision = 0;
  {
    absl::MutexLock lock(&mutex_);
    std::swap(revision, wanted_);
    store = store_;
  }
  if (revision == 0 || store == nullptr) return;
  absl::StatusOr<PolicyStatePtr> state = store->At(revision);
  if (!state.ok()) {
    spdlog::warn("revision {}, the last in force, cannot be given to data planes that refuse the newest: {}", revision,
                 std::string(state.status().message()));
    return;
  }
  absl::MutexLock lock(&mutex_);
  NoteInForce(CatalogOf(**state));
  absl::Time now = clock_();
  for (auto& [id, node] : nodes_) {
    if (node.stays() && !node.outstanding && node.parked_revision > 0) OfferInForce(node, now);
  }
}

}  // namespace sluice

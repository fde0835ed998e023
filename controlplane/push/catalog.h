// What there is to push at one revision, ready to be sent: each resource's spec
// serialised once and shared by every catalog and subscriber that has it. Pure
// values; a catalog never changes once shared, so any thread may read it.
#ifndef SLUICE_CONTROLPLANE_PUSH_CATALOG_H_
#define SLUICE_CONTROLPLANE_PUSH_CATALOG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/store/store.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

struct CatalogEntry {
  ResourceKey key;
  // The revision that last changed it.
  uint64_t version = 0;
  std::string spec;
  // Null for what a node told of itself: only its version is known.
  ResourcePtr resource;
};
using CatalogEntryPtr = std::shared_ptr<const CatalogEntry>;

struct Catalog {
  uint64_t revision = 0;
  absl::Time committed;
  // Sorted by key.
  std::vector<CatalogEntryPtr> entries;
};
using CatalogPtr = std::shared_ptr<const Catalog>;

CatalogPtr CatalogOf(const PolicyState& state);
// Shares every entry that the event did not touch.
CatalogPtr NextCatalog(const Catalog& before, const StoreEvent& event);
// What a node says it has.
CatalogPtr CatalogOf(const v1::Hello& hello);

// An endpoint of a list, or a whole resource, is gone or takes calls no more:
// such a change must not wait to be merged with others.
bool RemovesEndpoints(const Catalog& before, const StoreEvent& event);

// SHA-256 over the sorted lines "kind/name@version\n" (control.proto, Digest).
std::string DigestOf(const Catalog& catalog);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_CATALOG_H_

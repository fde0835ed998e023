#include "controlplane/push/update_plan.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "proto/policy/duration_text.h"
#include "proto/policy/endpoint_change.h"
#include "proto/policy/kinds.h"
#include "proto/policy/stable_bytes.h"

namespace sluice {
namespace {

using Endpoints = google::protobuf::RepeatedPtrField<v1::Endpoint>;

const Endpoints* EndpointsOf(const v1::Resource& resource) {
  if (resource.has_upstream()) return &resource.upstream().endpoints();
  if (resource.has_endpoint_list()) return &resource.endpoint_list().endpoints();
  return nullptr;
}

Endpoints* MutableEndpoints(v1::Resource& resource) {
  if (resource.has_upstream()) return resource.mutable_upstream()->mutable_endpoints();
  if (resource.has_endpoint_list()) return resource.mutable_endpoint_list()->mutable_endpoints();
  return nullptr;
}

struct NamedEndpoint {
  std::string name;
  // Its bytes: comparing them is many times cheaper than by reflection.
  std::string bytes;
};

// Nullopt when a name is doubled, so that it names nothing.
std::optional<std::vector<NamedEndpoint>> NamesOf(const Endpoints& endpoints) {
  std::vector<NamedEndpoint> named;
  named.reserve(endpoints.size());
  std::unordered_set<std::string> names;
  for (const v1::Endpoint& endpoint : endpoints) {
    named.push_back({EndpointName(endpoint), endpoint.SerializeAsString()});
    if (!names.insert(named.back().name).second) return std::nullopt;
  }
  return named;
}

// The change from `before` to `after`, if they differ in endpoints only and
// applying it gives exactly `after`; order included.
std::optional<v1::EndpointChange> FindEndpointChange(const CatalogEntry& before, const CatalogEntry& after) {
  if (!before.resource || !after.resource) return std::nullopt;
  v1::Resource old_one = *before.resource;
  Endpoints* old_list = MutableEndpoints(old_one);
  const Endpoints* new_list = EndpointsOf(*after.resource);
  if (old_list == nullptr || new_list == nullptr) return std::nullopt;
  auto old_names = NamesOf(*old_list);
  auto new_names = NamesOf(*new_list);
  if (!old_names || !new_names) return std::nullopt;

  v1::EndpointChange change;
  change.mutable_list()->set_kind(after.key.kind);
  change.mutable_list()->set_name(after.key.name);
  change.set_version(after.version);
  std::unordered_map<std::string_view, const std::string*> gone;
  for (const NamedEndpoint& old : *old_names) gone.emplace(old.name, &old.bytes);
  for (int i = 0; i < new_list->size(); ++i) {
    const auto found = gone.find((*new_names)[i].name);
    if (found == gone.end() || *found->second != (*new_names)[i].bytes) *change.add_upserts() = (*new_list)[i];
    if (found != gone.end()) gone.erase(found);
  }
  for (const NamedEndpoint& old : *old_names) {
    if (gone.contains(old.name)) change.add_removals(old.name);
  }
  if (change.ByteSizeLong() >= after.spec.size()) return std::nullopt;
  ApplyEndpointChange(change, *old_list);
  if (StableBytes(SpecOf(old_one)) != after.spec) return std::nullopt;
  return change;
}

// What is referred to goes before what refers to it.
int PushOrder(const std::string& kind) {
  const auto& kinds = Kinds();
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i]->message_type()->name() == kind) return static_cast<int>(i);
  }
  return static_cast<int>(kinds.size());
}

// Fills chunks up to the limit.
class Chunker {
 public:
  Chunker(const PlanRequest& request, UpdatePlan& plan) : request_(request), plan_(plan) { Next(); }

  // The update that the next `bytes` go into.
  v1::Update& Room(size_t bytes) {
    if (used_ > 0 && used_ + bytes > request_.max_chunk_bytes) Next();
    used_ += bytes;
    return *plan_.chunks.back().mutable_update();
  }

  void Finish() { plan_.chunks.back().mutable_update()->set_last_chunk(true); }

 private:
  void Next() {
    used_ = 0;
    v1::Update& update = *plan_.chunks.emplace_back().mutable_update();
    update.set_epoch(request_.epoch);
    update.set_revision(request_.target->revision);
    update.set_nonce(request_.nonce);
    update.set_snapshot(plan_.snapshot);
    *update.mutable_committed() = ToProto(request_.target->committed);
    if (!plan_.snapshot || plan_.chunks.size() > 1) return;
    update.mutable_replaces_epochs()->Add(request_.replaces_epochs.begin(), request_.replaces_epochs.end());
  }

  const PlanRequest& request_;
  UpdatePlan& plan_;
  size_t used_ = 0;
};

// Tag, length and version of one entry, generously.
constexpr size_t kEntryOverhead = 48;

void AddUpsert(const CatalogEntry& entry, Chunker& chunker) {
  size_t bytes = entry.spec.size() + entry.key.kind.size() + entry.key.name.size() + kEntryOverhead;
  v1::ResourceUpsert& upsert = *chunker.Room(bytes).add_upserts();
  upsert.set_kind(entry.key.kind);
  upsert.set_name(entry.key.name);
  upsert.set_version(entry.version);
  upsert.set_spec(entry.spec);
}

void AddRemoval(const ResourceKey& key, Chunker& chunker) {
  v1::ResourceRef& removal = *chunker.Room(key.kind.size() + key.name.size() + kEntryOverhead).add_removals();
  removal.set_kind(key.kind);
  removal.set_name(key.name);
}

struct Difference {
  std::vector<CatalogEntryPtr> upserts;
  std::vector<v1::EndpointChange> endpoint_changes;
  std::vector<ResourceKey> removals;
};

// A walk over both sorted lists.
Difference Compare(const Catalog& base, const Catalog& target) {
  Difference difference;
  auto old_entry = base.entries.begin();
  for (const CatalogEntryPtr& entry : target.entries) {
    while (old_entry != base.entries.end() && (*old_entry)->key < entry->key) {
      difference.removals.push_back((*old_entry++)->key);
    }
    bool there = old_entry != base.entries.end() && (*old_entry)->key == entry->key;
    if (there && (*old_entry)->version == entry->version) {
      ++old_entry;
      continue;
    }
    std::optional<v1::EndpointChange> change;
    if (there) change = FindEndpointChange(**old_entry++, *entry);
    if (change.has_value()) {
      difference.endpoint_changes.push_back(*std::move(change));
    } else {
      difference.upserts.push_back(entry);
    }
  }
  for (; old_entry != base.entries.end(); ++old_entry) difference.removals.push_back((*old_entry)->key);
  return difference;
}

}  // namespace

UpdatePlanPtr MakePlan(const PlanRequest& request) {
  auto plan = std::make_shared<UpdatePlan>();
  plan->epoch = request.epoch;
  plan->nonce = request.nonce;
  plan->target = request.target;
  plan->snapshot = request.base == nullptr;
  Difference difference = Compare(request.base ? *request.base : Catalog{}, *request.target);
  std::stable_sort(difference.upserts.begin(), difference.upserts.end(),
                   [](const CatalogEntryPtr& a, const CatalogEntryPtr& b) {
                     return PushOrder(a->key.kind) < PushOrder(b->key.kind);
                   });
  Chunker chunker(request, *plan);
  for (const CatalogEntryPtr& entry : difference.upserts) AddUpsert(*entry, chunker);
  for (v1::EndpointChange& change : difference.endpoint_changes) {
    *chunker.Room(change.ByteSizeLong() + kEntryOverhead).add_endpoint_changes() = std::move(change);
  }
  for (const ResourceKey& key : difference.removals) AddRemoval(key, chunker);
  chunker.Finish();
  return plan;
}

}  // namespace sluice

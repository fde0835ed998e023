#include "controlplane/push/update_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "google/protobuf/util/message_differencer.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

using Endpoints = google::protobuf::RepeatedPtrField<v1::Endpoint>;
using google::protobuf::util::MessageDifferencer;

Endpoints* MutableEndpoints(v1::Resource& resource) {
  if (resource.has_upstream()) return resource.mutable_upstream()->mutable_endpoints();
  if (resource.has_endpoint_list()) return resource.mutable_endpoint_list()->mutable_endpoints();
  return nullptr;
}

// By name; nullopt when a name is missing or doubled, so that it names nothing.
std::optional<std::map<std::string, const v1::Endpoint*>> ByName(const Endpoints& endpoints) {
  std::map<std::string, const v1::Endpoint*> names;
  for (const v1::Endpoint& endpoint : endpoints) {
    if (endpoint.name().empty() || !names.emplace(endpoint.name(), &endpoint).second) return std::nullopt;
  }
  return names;
}

// The change from `before` to `after`, if they differ in named endpoints only
// and applying it gives exactly `after`; order included.
std::optional<v1::EndpointChange> FindEndpointChange(const CatalogEntry& before, const CatalogEntry& after) {
  if (!before.resource || !after.resource) return std::nullopt;
  v1::Resource old_rest = *before.resource;
  v1::Resource new_rest = *after.resource;
  Endpoints* old_list = MutableEndpoints(old_rest);
  Endpoints* new_list = MutableEndpoints(new_rest);
  if (old_list == nullptr || new_list == nullptr) return std::nullopt;
  auto old_names = ByName(*old_list);
  auto new_names = ByName(*new_list);
  if (!old_names || !new_names) return std::nullopt;

  v1::EndpointChange change;
  change.mutable_list()->set_kind(after.key.kind);
  change.mutable_list()->set_name(after.key.name);
  change.set_version(after.version);
  for (const v1::Endpoint& endpoint : *new_list) {
    auto found = old_names->find(endpoint.name());
    if (found == old_names->end() || !MessageDifferencer::Equals(*found->second, endpoint)) {
      *change.add_upserts() = endpoint;
    }
  }
  for (const auto& [name, endpoint] : *old_names) {
    if (!new_names->contains(name)) change.add_removals(name);
  }
  if (change.ByteSizeLong() >= after.spec.size()) return std::nullopt;
  ApplyEndpointChange(change, *old_list);
  if (!MessageDifferencer::Equals(SpecOf(old_rest), SpecOf(new_rest))) return std::nullopt;
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

void ApplyEndpointChange(const v1::EndpointChange& change, Endpoints& endpoints) {
  std::set<std::string> removals(change.removals().begin(), change.removals().end());
  std::map<std::string, const v1::Endpoint*> upserts;
  for (const v1::Endpoint& endpoint : change.upserts()) upserts[endpoint.name()] = &endpoint;
  Endpoints result;
  for (v1::Endpoint& endpoint : endpoints) {
    if (removals.contains(endpoint.name())) continue;
    auto found = upserts.find(endpoint.name());
    *result.Add() = found == upserts.end() ? std::move(endpoint) : *found->second;
    if (found != upserts.end()) upserts.erase(found);
  }
  for (const v1::Endpoint& endpoint : change.upserts()) {
    if (upserts.contains(endpoint.name())) *result.Add() = endpoint;
  }
  endpoints.Swap(&result);
}

UpdatePlanPtr MakePlan(const PlanRequest& request) {
  auto plan = std::make_shared<UpdatePlan>();
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

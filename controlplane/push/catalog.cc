#include "controlplane/push/catalog.h"

#include <openssl/evp.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "proto/policy/stable_bytes.h"

namespace sluice {
namespace {

CatalogEntryPtr MakeEntry(const ResourceKey& key, ResourcePtr resource) {
  auto entry = std::make_shared<CatalogEntry>();
  entry->key = key;
  entry->version = resource->meta().revision();
  const auto* reflection = resource->GetReflection();
  const auto* field =
      reflection->GetOneofFieldDescriptor(*resource, resource->GetDescriptor()->FindOneofByName("spec"));
  if (field != nullptr) entry->spec = StableBytes(reflection->GetMessage(*resource, field));
  entry->resource = std::move(resource);
  return entry;
}

const google::protobuf::RepeatedPtrField<v1::Endpoint>* EndpointsOf(const v1::Resource& resource) {
  if (resource.has_upstream()) return &resource.upstream().endpoints();
  if (resource.has_endpoint_list()) return &resource.endpoint_list().endpoints();
  return nullptr;
}

bool TakesCalls(const v1::Endpoint& endpoint) {
  return endpoint.state() == v1::ENDPOINT_STATE_UNSPECIFIED || endpoint.state() == v1::ENDPOINT_STATE_ACTIVE;
}

bool LosesEndpoint(const v1::Resource& before, const v1::Resource& after) {
  const auto* old_list = EndpointsOf(before);
  const auto* new_list = EndpointsOf(after);
  if (old_list == nullptr || new_list == nullptr) return false;
  std::map<std::pair<std::string, std::string>, bool> serving;
  for (const v1::Endpoint& endpoint : *new_list) serving[{endpoint.name(), endpoint.url()}] = TakesCalls(endpoint);
  for (const v1::Endpoint& endpoint : *old_list) {
    auto found = serving.find({endpoint.name(), endpoint.url()});
    bool serves = found != serving.end() && found->second;
    if (TakesCalls(endpoint) && !serves) return true;
  }
  return false;
}

bool KeyLess(const CatalogEntryPtr& entry, const ResourceKey& key) { return entry->key < key; }

}  // namespace

CatalogPtr CatalogOf(const PolicyState& state) {
  auto catalog = std::make_shared<Catalog>();
  catalog->revision = state.revision;
  catalog->committed = state.committed;
  catalog->entries.reserve(state.resources.size());
  for (const auto& [key, resource] : state.resources) catalog->entries.push_back(MakeEntry(key, resource));
  return catalog;
}

CatalogPtr NextCatalog(const Catalog& before, const StoreEvent& event) {
  auto after = std::make_shared<Catalog>(before);
  after->revision = event.revision;
  after->committed = event.committed;
  for (const StoreEvent::Item& item : event.items) {
    auto place = std::lower_bound(after->entries.begin(), after->entries.end(), item.key, KeyLess);
    bool there = place != after->entries.end() && (*place)->key == item.key;
    if (!item.resource) {
      if (there) after->entries.erase(place);
    } else if (there) {
      *place = MakeEntry(item.key, item.resource);
    } else {
      after->entries.insert(place, MakeEntry(item.key, item.resource));
    }
  }
  return after;
}

CatalogPtr CatalogOf(const v1::Hello& hello) {
  std::map<ResourceKey, CatalogEntryPtr> sorted;
  for (const v1::ResourceVersion& have : hello.have()) {
    auto entry = std::make_shared<CatalogEntry>();
    entry->key = ResourceKey{have.kind(), have.name()};
    entry->version = have.version();
    sorted[entry->key] = std::move(entry);
  }
  auto catalog = std::make_shared<Catalog>();
  catalog->revision = hello.revision();
  for (auto& [key, entry] : sorted) catalog->entries.push_back(std::move(entry));
  return catalog;
}

bool RemovesEndpoints(const Catalog& before, const StoreEvent& event) {
  for (const StoreEvent::Item& item : event.items) {
    auto place = std::lower_bound(before.entries.begin(), before.entries.end(), item.key, KeyLess);
    if (place == before.entries.end() || (*place)->key != item.key) continue;
    if (!item.resource) return true;
    if ((*place)->resource && LosesEndpoint(*(*place)->resource, *item.resource)) return true;
  }
  return false;
}

std::string DigestOf(const Catalog& catalog) {
  std::vector<std::string> lines;
  lines.reserve(catalog.entries.size());
  for (const CatalogEntryPtr& entry : catalog.entries) {
    lines.push_back(absl::StrCat(entry->key.kind, "/", entry->key.name, "@", entry->version, "\n"));
  }
  // By line, as the node sorts: '/' orders differently from the pair of strings.
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(),
             nullptr);
  digest.resize(size);
  return digest;
}

}  // namespace sluice

#include "server/config/resource_set.h"

#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/policy/endpoint_change.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;

// One update on its way into a set.
class Updater {
 public:
  Updater(const ResourceSet& held, const v1::Update& update) : update_(update) {
    if (!update.snapshot()) out_.set = held;
  }

  UpdatedSet Run(const ResourceSet& held) && {
    if (!CheckRevision(held)) return std::move(out_);
    out_.set.epoch = update_.epoch();
    out_.set.revision = update_.revision();
    // Removals first: an update may remove a name and put it in place anew.
    for (const v1::ResourceRef& removal : update_.removals()) Remove(removal);
    for (const v1::ResourceUpsert& upsert : update_.upserts()) Put(upsert);
    for (const v1::EndpointChange& change : update_.endpoint_changes()) Change(change);
    return std::move(out_);
  }

 private:
  void Refuse(const std::string& kind, const std::string& name, const char* path, const char* code,
              std::string message) {
    v1::Violation& violation = out_.violations.emplace_back();
    violation.mutable_resource()->set_kind(kind);
    violation.mutable_resource()->set_name(name);
    violation.set_path(path);
    violation.set_code(code);
    violation.set_message(std::move(message));
  }

  bool CheckRevision(const ResourceSet& held) {
    if (update_.epoch().empty()) {
      Refuse("", "", "epoch", "REQUIRED", "the update names no epoch");
    } else if (update_.epoch() == held.epoch && update_.revision() < held.revision) {
      Refuse("", "", "revision", "REVISION_BEHIND",
             absl::StrCat("revision ", update_.revision(), " is below ", held.revision, ", which is in force here"));
    } else if (held.runs() && update_.epoch() != held.epoch && !Replaces(held.epoch)) {
      Refuse("", "", "epoch", "EPOCH_MISMATCH",
             absl::StrCat("revision ", update_.revision(), " of epoch \"", update_.epoch(),
                          "\" is not said to replace epoch \"", held.epoch, "\", of which this data plane runs revision ",
                          held.revision));
    } else if (!update_.snapshot() && !held.epoch.empty() && update_.epoch() != held.epoch) {
      Refuse("", "", "epoch", "EPOCH_MISMATCH",
             absl::StrCat("a difference within epoch \"", update_.epoch(), "\", but this data plane holds epoch \"",
                          held.epoch, "\"; a snapshot is needed"));
    }
    return out_.violations.empty();
  }

  bool Replaces(const std::string& epoch) const {
    return std::find(update_.replaces_epochs().begin(), update_.replaces_epochs().end(), epoch) !=
           update_.replaces_epochs().end();
  }

  const FieldDescriptor* KindFor(const std::string& kind, const std::string& name) {
    const FieldDescriptor* field = FindKind(kind);
    if (field == nullptr) {
      Refuse(kind, name, "", "UNKNOWN_KIND", absl::StrCat("this data plane does not know the kind \"", kind, "\""));
    }
    return field;
  }

  void Remove(const v1::ResourceRef& ref) {
    // What was never known here is gone already.
    if (const FieldDescriptor* field = FindKind(ref.kind())) {
      out_.set.resources.erase({field->message_type()->name(), ref.name()});
    }
  }

  void Put(const v1::ResourceUpsert& upsert) {
    const FieldDescriptor* field = KindFor(upsert.kind(), upsert.name());
    if (field == nullptr) return;
    auto resource = std::make_shared<v1::Resource>();
    resource->mutable_meta()->set_name(upsert.name());
    resource->mutable_meta()->set_revision(upsert.version());
    if (!resource->GetReflection()->MutableMessage(resource.get(), field)->ParseFromString(upsert.spec())) {
      return Refuse(field->message_type()->name(), upsert.name(), "", "BAD_FORM", "its bytes are not of this kind");
    }
    out_.set.resources[{field->message_type()->name(), upsert.name()}] = {upsert.version(), std::move(resource)};
  }

  void Change(const v1::EndpointChange& change) {
    const FieldDescriptor* field = KindFor(change.list().kind(), change.list().name());
    if (field == nullptr) return;
    const std::string& kind = field->message_type()->name();
    auto held = out_.set.resources.find({kind, change.list().name()});
    if (held == out_.set.resources.end()) {
      return Refuse(kind, change.list().name(), "endpoints", "UNKNOWN_REFERENCE",
                    "endpoints of it were changed, but it is not held here");
    }
    auto resource = std::make_shared<v1::Resource>(*held->second.resource);
    if (resource->has_endpoint_list()) {
      ApplyEndpointChange(change, *resource->mutable_endpoint_list()->mutable_endpoints());
    } else if (resource->has_upstream()) {
      ApplyEndpointChange(change, *resource->mutable_upstream()->mutable_endpoints());
    } else {
      return Refuse(kind, change.list().name(), "endpoints", "BAD_FORM", "this kind has no endpoints");
    }
    resource->mutable_meta()->set_revision(change.version());
    held->second = {change.version(), std::move(resource)};
  }

  const v1::Update& update_;
  UpdatedSet out_;
};

}  // namespace

std::vector<const v1::Resource*> ResourceSet::All() const {
  std::vector<const v1::Resource*> all;
  all.reserve(resources.size());
  for (const auto& [key, held] : resources) all.push_back(held.resource.get());
  return all;
}

std::vector<v1::ResourceVersion> ResourceSet::Versions() const {
  std::vector<v1::ResourceVersion> versions;
  for (const auto& [key, held] : resources) {
    v1::ResourceVersion& version = versions.emplace_back();
    version.set_kind(key.first);
    version.set_name(key.second);
    version.set_version(held.version);
  }
  return versions;
}

std::string ResourceSet::Sha256() const {
  std::vector<std::string> lines;
  for (const auto& [key, held] : resources) {
    lines.push_back(absl::StrCat(key.first, "/", key.second, "@", held.version, "\n"));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

v1::Update ResourceSet::ToSnapshot() const {
  v1::Update update;
  update.set_epoch(epoch);
  update.set_revision(revision);
  update.set_snapshot(true);
  update.set_last_chunk(true);
  for (const auto& [key, held] : resources) {
    v1::ResourceUpsert* upsert = update.add_upserts();
    upsert->set_kind(key.first);
    upsert->set_name(key.second);
    upsert->set_version(held.version);
    upsert->set_spec(SpecOf(*held.resource).SerializeAsString());
  }
  return update;
}

UpdatedSet ApplyUpdate(const ResourceSet& held, const v1::Update& update) {
  return Updater(held, update).Run(held);
}

std::string ViolationText(const v1::Violation& violation) {
  std::string text;
  if (!violation.resource().name().empty()) {
    absl::StrAppend(&text, ResourceId(violation.resource().kind(), violation.resource().name()), ": ");
  }
  if (!violation.path().empty()) absl::StrAppend(&text, violation.path(), ": ");
  return absl::StrCat(text, violation.message());
}

}  // namespace sluice

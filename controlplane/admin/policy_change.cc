#include "controlplane/admin/policy_change.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "controlplane/admin/rpc_status.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_diff.h"
#include "proto/policy/validator.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {
namespace {

const v1::Resource* Find(const PolicyState& state, const ResourceKey& key) {
  auto found = state.resources.find(key);
  return found == state.resources.end() ? nullptr : found->second.get();
}

v1::Violation MakeViolation(const ResourceKey& key, std::string path, std::string code, std::string message) {
  v1::Violation violation;
  violation.mutable_resource()->set_kind(key.kind);
  violation.mutable_resource()->set_name(key.name);
  violation.set_path(std::move(path));
  violation.set_code(std::move(code));
  violation.set_message(std::move(message));
  return violation;
}

std::vector<const v1::Resource*> Pointers(const ResourceMap& resources) {
  std::vector<const v1::Resource*> pointers;
  pointers.reserve(resources.size());
  for (const auto& [key, resource] : resources) pointers.push_back(resource.get());
  return pointers;
}

ResourceMap After(const PolicyState& state, const PolicyChange& change) {
  ResourceMap after = state.resources;
  for (const v1::Resource& put : change.puts) {
    // Not owned: it lives as long as the change that it is part of.
    after[KeyOf(put)] = ResourcePtr(ResourcePtr(), &put);
  }
  for (const ResourceKey& key : change.deletes) after.erase(key);
  return after;
}

std::string Fingerprint(const v1::Violation& violation) { return violation.SerializeAsString(); }

// The whole set as it would be must be valid. What was wrong before in
// resources that are not touched (an older validator let it in) does not block
// a change elsewhere; what this change breaks there does.
void Validate(const PolicyState& state, PolicyChange& change) {
  ResourceMap after = After(state, change);
  std::vector<v1::Violation> found = ValidatePolicies(Pointers(after));
  std::set<ResourceKey> touched;
  for (const v1::Resource& put : change.puts) touched.insert(KeyOf(put));
  auto is_touched = [&touched](const v1::Violation& violation) {
    return touched.contains({violation.resource().kind(), violation.resource().name()});
  };
  std::set<std::string> old;
  if (!std::all_of(found.begin(), found.end(), is_touched)) {
    for (const v1::Violation& violation : ValidatePolicies(Pointers(state.resources))) {
      old.insert(Fingerprint(violation));
    }
  }
  for (v1::Violation& violation : found) {
    if (is_touched(violation) || !old.contains(Fingerprint(violation))) {
      change.violations.push_back(std::move(violation));
    }
  }
}

// Puts `after` in place where it differs from what is there.
void Put(const PolicyState& state, v1::Resource after, PolicyChange& change) {
  const v1::Resource* before = Find(state, KeyOf(after));
  after.mutable_meta()->clear_etag();
  after.mutable_meta()->clear_revision();
  change.changes.push_back(BoundedDiff(before, &after));
  if (change.changes.back().action() != v1::CHANGE_ACTION_UNCHANGED) change.puts.push_back(std::move(after));
}

grpc::Status CheckEtag(const PolicyState& state, const ResourceKey& key, const std::string& etag) {
  if (etag.empty()) return grpc::Status::OK;
  const v1::Resource* there = Find(state, key);
  if (there != nullptr && there->meta().etag() == etag) return grpc::Status::OK;
  return MakeStatus(grpc::StatusCode::ABORTED,
                    absl::StrCat(ResourceId(key.kind, key.name), ": etag \"", etag, "\" is out of date: ",
                                 there == nullptr
                                     ? "it was deleted"
                                     : absl::StrCat("revision ", there->meta().revision(), " changed it"),
                                 "; read it again"));
}

}  // namespace

ResourceKey KeyOf(const v1::Resource& resource) {
  return {std::string(KindOf(resource)), resource.meta().name()};
}

grpc::Status ParseRef(const v1::ResourceRef& ref, ResourceKey& key) {
  const auto* kind = FindKind(ref.kind());
  if (kind == nullptr) {
    std::string known;
    for (const auto* field : Kinds()) absl::StrAppend(&known, known.empty() ? "" : ", ", field->message_type()->name());
    return BadField("resource.kind", absl::StrCat("\"", ref.kind(), "\" is not a kind; there are ", known));
  }
  if (ref.name().empty()) return BadField("resource.name", "missing");
  key = {kind->message_type()->name(), ref.name()};
  return grpc::Status::OK;
}

v1::Change BoundedDiff(const v1::Resource* before, const v1::Resource* after) {
  v1::Change change = DiffResources(before, after);
  int more = change.fields_size() - kMaxFieldChanges;
  if (more <= 0) return change;
  change.mutable_fields()->DeleteSubrange(kMaxFieldChanges, more);
  v1::FieldChange& rest = *change.add_fields();
  rest.set_path("...");
  rest.set_after(absl::StrCat(more, " more fields"));
  return change;
}

grpc::Status ProposeApply(const PolicyState& state, const ResourceList& resources, bool check_etags,
                          PolicyChange& change) {
  std::set<ResourceKey> seen;
  for (int i = 0; i < resources.size(); ++i) {
    const v1::Resource& resource = resources[i];
    ResourceKey key = KeyOf(resource);
    if (key.kind.empty()) {
      key.name = absl::StrCat("resources[", i, "]");
      change.violations.push_back(MakeViolation(key, "spec", "REQUIRED", "no kind is set"));
      continue;
    }
    if (!seen.insert(key).second) {
      change.violations.push_back(MakeViolation(key, "meta.name", "DUPLICATE", "is in this request twice"));
      continue;
    }
    for (v1::Violation& violation : FindUnknown(resource)) change.violations.push_back(std::move(violation));
    if (check_etags) {
      if (grpc::Status status = CheckEtag(state, key, resource.meta().etag()); !status.ok()) return status;
    }
    Put(state, resource, change);
  }
  Validate(state, change);
  return grpc::Status::OK;
}

grpc::Status ProposeDelete(const PolicyState& state, const RefList& refs, PolicyChange& change) {
  for (const v1::ResourceRef& ref : refs) {
    ResourceKey key;
    if (grpc::Status status = ParseRef(ref, key); !status.ok()) return status;
    const v1::Resource* before = Find(state, key);
    if (before == nullptr) {
      return MakeStatus(grpc::StatusCode::NOT_FOUND, absl::StrCat(ResourceId(key.kind, key.name), " does not exist"));
    }
    if (std::find(change.deletes.begin(), change.deletes.end(), key) != change.deletes.end()) continue;
    change.deletes.push_back(key);
    change.changes.push_back(BoundedDiff(before, nullptr));
  }
  ResourceMap after = After(state, change);
  std::vector<const v1::Resource*> left = Pointers(after);
  std::vector<ReferredResource> referred;
  for (const ResourceKey& key : change.deletes) {
    std::vector<std::string> referrers = ReferrersOf(key.kind, key.name, left);
    if (!referrers.empty()) referred.push_back({ResourceId(key.kind, key.name), std::move(referrers)});
  }
  if (!referred.empty()) return ReferredStatus(referred);
  Validate(state, change);
  return grpc::Status::OK;
}

grpc::Status ProposeSet(const PolicyState& state, const v1::SetRequest& request, PolicyChange& change) {
  ResourceKey key;
  if (grpc::Status status = ParseRef(request.resource(), key); !status.ok()) return status;
  const v1::Resource* before = Find(state, key);
  if (before == nullptr) {
    return MakeStatus(grpc::StatusCode::NOT_FOUND, absl::StrCat(ResourceId(key.kind, key.name), " does not exist"));
  }
  if (grpc::Status status = CheckEtag(state, key, request.etag()); !status.ok()) return status;
  v1::Resource after = *before;
  for (const v1::FieldAssignment& assignment : request.assignments()) {
    absl::Status status = SetPolicyField(after, assignment.path(), assignment.value());
    if (!status.ok()) {
      // The violation has a field of its own for the path.
      const absl::string_view why = absl::StripPrefix(status.message(), absl::StrCat(assignment.path(), ": "));
      change.violations.push_back(MakeViolation(key, assignment.path(), "BAD_FORM", std::string(why)));
    }
  }
  if (!change.violations.empty()) return grpc::Status::OK;
  Put(state, std::move(after), change);
  Validate(state, change);
  return grpc::Status::OK;
}

grpc::Status ProposeRollback(const PolicyState& state, const PolicyState& old, PolicyChange& change) {
  change.rollback_of = old.revision;
  for (const auto& [key, resource] : old.resources) {
    Put(state, *resource, change);
    // A rollback is about what differs, not about the rest.
    if (change.changes.back().action() == v1::CHANGE_ACTION_UNCHANGED) change.changes.pop_back();
  }
  for (const auto& [key, resource] : state.resources) {
    if (old.resources.contains(key)) continue;
    change.deletes.push_back(key);
    change.changes.push_back(BoundedDiff(resource.get(), nullptr));
  }
  Validate(state, change);
  return grpc::Status::OK;
}

std::vector<v1::Change> CompareStates(const PolicyState& before, const PolicyState& after) {
  std::set<ResourceKey> keys;
  for (const auto& [key, resource] : before.resources) keys.insert(key);
  for (const auto& [key, resource] : after.resources) keys.insert(key);
  std::vector<v1::Change> changes;
  for (const ResourceKey& key : keys) {
    const v1::Resource* old_one = Find(before, key);
    const v1::Resource* new_one = Find(after, key);
    if (old_one == new_one) continue;
    v1::Change change = BoundedDiff(old_one, new_one);
    if (change.action() != v1::CHANGE_ACTION_UNCHANGED) changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace sluice

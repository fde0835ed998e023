// What a request would do to the policies: computed from one state, without
// side effects, so that it can be computed anew when the store has moved on.
#ifndef SLUICE_CONTROLPLANE_ADMIN_POLICY_CHANGE_H_
#define SLUICE_CONTROLPLANE_ADMIN_POLICY_CHANGE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "controlplane/store/store.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

struct PolicyChange {
  // Only what really changes.
  std::vector<v1::Resource> puts;
  std::vector<ResourceKey> deletes;
  // One for each resource of the request, unchanged ones too.
  std::vector<v1::Change> changes;
  // Why it must not be done.
  std::vector<v1::Violation> violations;
  uint64_t rollback_of = 0;
  // As in StoreWrite; made together with the rest, or without it.
  std::vector<std::string> replaces_epochs;
  bool new_epoch = false;

  bool empty() const { return puts.empty() && deletes.empty(); }
  bool changes_lineage() const { return new_epoch || !replaces_epochs.empty(); }
};

using ResourceList = google::protobuf::RepeatedPtrField<v1::Resource>;
using RefList = google::protobuf::RepeatedPtrField<v1::ResourceRef>;

// The kind is "" where none is set.
ResourceKey KeyOf(const v1::Resource& resource);

// INVALID_ARGUMENT unless the kind is known and the name there.
grpc::Status ParseRef(const v1::ResourceRef& ref, ResourceKey& key);

// A difference above this many fields is cut, and says so.
inline constexpr int kMaxFieldChanges = 200;

// Null stands for "not there".
v1::Change BoundedDiff(const v1::Resource* before, const v1::Resource* after);

// ABORTED on the first etag that does not match, when asked to look.
grpc::Status ProposeApply(const PolicyState& state, const ResourceList& resources, bool check_etags,
                          PolicyChange& change);
// NOT_FOUND, or FAILED_PRECONDITION while referred to.
grpc::Status ProposeDelete(const PolicyState& state, const RefList& refs, PolicyChange& change);
grpc::Status ProposeSet(const PolicyState& state, const v1::SetRequest& request, PolicyChange& change);
grpc::Status ProposeRollback(const PolicyState& state, const PolicyState& old, PolicyChange& change);

// Every difference between two states, in order of key.
std::vector<v1::Change> CompareStates(const PolicyState& before, const PolicyState& after);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_POLICY_CHANGE_H_

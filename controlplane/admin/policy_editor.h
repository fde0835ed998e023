// Takes a change from proposal to commit: once per request id, against the
// newest state, all or nothing. Called by AdminService from any thread; blocks
// for one commit.
#ifndef SLUICE_CONTROLPLANE_ADMIN_POLICY_EDITOR_H_
#define SLUICE_CONTROLPLANE_ADMIN_POLICY_EDITOR_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/admin/admin_observer.h"
#include "controlplane/admin/policy_change.h"
#include "controlplane/store/store.h"

namespace sluice {

struct EditorLimits {
  // In force at a time: the whole set is held in memory on every node.
  size_t max_resources = 20000;
};

// The parts that every changing request has.
struct EditRequest {
  std::string request_id;
  std::string reason;
  std::string author;
  bool validate_only = false;
  // Tells this request from another: method and content.
  std::string fingerprint;
};

class PolicyEditor {
 public:
  using Propose = std::function<grpc::Status(const PolicyState&, PolicyChange&)>;
  // Makes the response for the revision that will be in force.
  using Answer = std::function<void(uint64_t revision, const PolicyState& before, const PolicyChange&)>;

  // `store` and `observer` (may be null) must outlive the editor.
  PolicyEditor(Store& store, AdminObserver* observer, EditorLimits limits)
      : store_(store), observer_(observer), limits_(limits) {}

  // `answer` fills `response`, which is remembered under the request id.
  grpc::Status Edit(const EditRequest& request, google::protobuf::Message& response, const Propose& propose,
                    const Answer& answer);

  // The answer that was given under the request's id, if there is one, or what
  // is wrong with the id.
  std::optional<grpc::Status> Recall(const EditRequest& request, google::protobuf::Message& response);

 private:
  grpc::Status EditOnce(const EditRequest& request, google::protobuf::Message& response, const Propose& propose,
                        const Answer& answer, bool& moved_on);
  grpc::Status Commit(const EditRequest& request, const google::protobuf::Message& response,
                      const PolicyState& state, PolicyChange change, bool& moved_on);

  Store& store_;
  AdminObserver* const observer_;
  const EditorLimits limits_;
  // Writers in this process take turns; other replicas are met by the store's
  // compare-and-swap.
  absl::Mutex writing_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_POLICY_EDITOR_H_

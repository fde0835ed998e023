#include "controlplane/admin/fleet_policies.h"

#include <openssl/sha.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

// Of one question; data planes answer within milliseconds.
constexpr absl::Duration kTimeout = absl::Seconds(5);
// As much as a data plane takes in one update.
constexpr uint64_t kMaxBundleBytes = 64 << 20;

v1::CommandRequest Question(const std::string& node_id, uint64_t offset) {
  v1::CommandRequest request;
  request.set_node_id(node_id);
  request.mutable_query()->mutable_policies()->set_offset(offset);
  return request;
}

std::string Sha256(const std::string& bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// One reading, from the first question to `done`; the callbacks own it.
class Reading : public std::enable_shared_from_this<Reading> {
 public:
  Reading(Fleet& fleet, std::set<std::string> node_ids, std::function<void(FleetPolicies)> done)
      : fleet_(fleet), node_ids_(std::move(node_ids)), done_(std::move(done)) {}

  // What they run, told from beyond its end: without the policies themselves.
  void Start() {
    if (node_ids_.empty()) return done_({});
    absl::Status asked =
        fleet_.Command(Question("", std::numeric_limits<uint64_t>::max()), kTimeout,
                       [self = shared_from_this()](v1::CommandResponse response) { self->OnTold(response); });
    if (asked.ok()) return;
    for (const std::string& id : node_ids_) found_.silent.push_back({id, std::string(asked.message())});
    done_(std::move(found_));
  }

 private:
  void OnTold(const v1::CommandResponse& response) {
    std::map<std::tuple<std::string, uint64_t, std::string>, std::vector<std::string>> groups;
    std::set<std::string> missing = node_ids_;
    for (const v1::NodeAnswer& answer : response.answers()) {
      if (missing.erase(answer.node_id()) == 0) continue;
      const v1::PoliciesInForce& policies = answer.answer().policies();
      if (answer.answer().code() != 0 || policies.sha256().empty()) {
        found_.silent.push_back({answer.node_id(), answer.answer().message()});
        continue;
      }
      groups[{policies.epoch(), policies.revision(), policies.sha256()}].push_back(answer.node_id());
    }
    for (const std::string& id : missing) found_.silent.push_back({id, "it is not connected any more"});
    for (auto& [key, ids] : groups) {
      found_.groups.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), std::move(ids), {}, ""});
    }
    std::stable_sort(found_.groups.begin(), found_.groups.end(), [](const RunPolicies& a, const RunPolicies& b) {
      return a.node_ids.size() > b.node_ids.size();
    });
    ReadOn();
  }

  // The next piece of the group at hand, or of the next one.
  void ReadOn() {
    if (at_ >= std::min(found_.groups.size(), kMaxGroupsRead)) {
      for (size_t i = at_; i < found_.groups.size(); ++i) {
        found_.groups[i].unread = absl::StrCat("not read, for there are ", found_.groups.size(), " sorts of policies");
      }
      return done_(std::move(found_));
    }
    const std::string node_id = found_.groups[at_].node_ids.front();
    absl::Status asked =
        fleet_.Command(Question(node_id, bundle_.size()), kTimeout,
                       [self = shared_from_this()](v1::CommandResponse response) { self->OnPiece(response); });
    if (!asked.ok()) EndGroup(std::string(asked.message()));
  }

  void OnPiece(const v1::CommandResponse& response) {
    const RunPolicies& group = found_.groups[at_];
    if (response.answers().empty()) return EndGroup("it is not connected any more");
    const v1::Answer& answer = response.answers(0).answer();
    if (answer.code() != 0) return EndGroup(answer.message());
    const v1::PoliciesInForce& piece = answer.policies();
    if (piece.sha256() != group.sha256) return EndGroup("they changed while they were read");
    if (piece.total_bytes() > kMaxBundleBytes) {
      return EndGroup(absl::StrCat("they have ", piece.total_bytes(), " bytes; at most ", kMaxBundleBytes, " are read"));
    }
    bundle_ += piece.data();
    const bool whole = bundle_.size() >= piece.total_bytes();
    if (!whole && !piece.data().empty()) return ReadOn();
    if (bundle_.size() != piece.total_bytes() || Sha256(bundle_) != group.sha256) {
      return EndGroup("what came is not what was announced");
    }
    absl::StatusOr<ResourceMap> resources = ResourcesOf(bundle_);
    if (!resources.ok()) return EndGroup(std::string(resources.status().message()));
    found_.groups[at_].resources = *std::move(resources);
    EndGroup("");
  }

  void EndGroup(const std::string& why) {
    RunPolicies& group = found_.groups[at_];
    if (!why.empty()) group.unread = absl::StrCat("data plane ", group.node_ids.front(), ": ", why);
    bundle_.clear();
    ++at_;
    ReadOn();
  }

  Fleet& fleet_;
  const std::set<std::string> node_ids_;
  const std::function<void(FleetPolicies)> done_;
  FleetPolicies found_;
  size_t at_ = 0;
  std::string bundle_;
};

}  // namespace

absl::StatusOr<ResourceMap> ResourcesOf(const std::string& bytes) {
  v1::PolicyBundle bundle;
  if (!bundle.ParseFromString(bytes)) return absl::DataLossError("its policies cannot be read");
  ResourceMap resources;
  for (const v1::ResourceUpsert& upsert : bundle.resources()) {
    const auto* field = FindKind(upsert.kind());
    if (field == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("it has a resource of kind ", upsert.kind(), ", which this control plane does not know"));
    }
    auto resource = std::make_shared<v1::Resource>();
    resource->mutable_meta()->set_name(upsert.name());
    google::protobuf::Message& spec = *resource->GetReflection()->MutableMessage(resource.get(), field);
    if (!spec.ParseFromString(upsert.spec())) {
      return absl::DataLossError(absl::StrCat(ResourceId(upsert.kind(), upsert.name()), " cannot be read"));
    }
    resources[{field->message_type()->name(), upsert.name()}] = std::move(resource);
  }
  return resources;
}

void ReadFleetPolicies(Fleet& fleet, std::set<std::string> node_ids, std::function<void(FleetPolicies)> done) {
  std::make_shared<Reading>(fleet, std::move(node_ids), std::move(done))->Start();
}

}  // namespace sluice

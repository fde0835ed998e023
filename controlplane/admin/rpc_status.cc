#include "controlplane/admin/rpc_status.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"
#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"

namespace sluice {
namespace {

// A violation's text among others.
constexpr size_t kMaxText = 1000;

std::string OneLine(std::string_view text) { return BoundedText(text, kMaxText); }

std::string Describe(const v1::Violation& violation) {
  return OneLine(MessageOf(violation));
}

std::string Where(const v1::Violation& violation) {
  std::string where = ResourceId(violation.resource().kind(), violation.resource().name());
  if (!violation.path().empty()) absl::StrAppend(&where, ": ", violation.path());
  return OneLine(where);
}

}  // namespace

grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message) {
  return grpc::Status(code, StatusText(message, kMaxStatusMessageBytes));
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  return MakeStatus(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

grpc::Status RefusedStatus(const std::vector<v1::Violation>& violations) {
  const v1::Violation& first = violations.front();
  std::string message = absl::StrCat(violations.size() == 1 ? "refused, nothing was changed: "
                                                            : absl::StrCat(violations.size(),
                                                                           " violations, nothing was changed; first: "),
                                     Where(first), ": ", Describe(first));
  RichStatus status(grpc::StatusCode::INVALID_ARGUMENT, message);
  google::rpc::BadRequest detail;
  for (const v1::Violation& violation : violations) {
    auto& field = *detail.add_field_violations();
    field.set_field(Where(violation));
    field.set_description(Describe(violation));
    if (detail.ByteSizeLong() <= status.Room(detail)) continue;
    detail.mutable_field_violations()->RemoveLast();
    break;
  }
  status.Add(detail);
  return status.Take();
}

grpc::Status BadField(const std::string& field, const std::string& message) {
  RichStatus status(grpc::StatusCode::INVALID_ARGUMENT, absl::StrCat(field, ": ", message));
  google::rpc::BadRequest detail;
  auto& violation = *detail.add_field_violations();
  violation.set_field(OneLine(field));
  violation.set_description(OneLine(message));
  status.Add(detail);
  return status.Take();
}

grpc::Status ReferredStatus(const std::vector<ReferredResource>& referred, const char* outcome) {
  std::vector<std::string> parts;
  for (const ReferredResource& entry : referred) {
    parts.push_back(absl::StrCat(entry.resource, " is referred to by ", absl::StrJoin(entry.referrers, ", ")));
  }
  RichStatus status(grpc::StatusCode::FAILED_PRECONDITION,
                    absl::StrCat(outcome, ": ", absl::StrJoin(parts, "; ")));
  google::rpc::PreconditionFailure detail;
  for (const ReferredResource& entry : referred) {
    auto& violation = *detail.add_violations();
    violation.set_type("REFERRED_TO");
    violation.set_subject(OneLine(entry.resource));
    violation.set_description(OneLine(absl::StrJoin(entry.referrers, ", ")));
    if (detail.ByteSizeLong() <= status.Room(detail)) continue;
    detail.mutable_violations()->RemoveLast();
    break;
  }
  status.Add(detail);
  return status.Take();
}

}  // namespace sluice

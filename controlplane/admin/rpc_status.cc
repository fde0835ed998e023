#include "controlplane/admin/rpc_status.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/policy/findings.h"
#include "proto/policy/kinds.h"

namespace sluice {
namespace {

constexpr size_t kMaxMessage = 1000;
// Message and details together travel in trailers.
constexpr size_t kMaxDetails = 3000;

std::string OneLine(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); }, ' ');
  if (text.size() > kMaxMessage) {
    size_t end = kMaxMessage - 3;
    // Not in the middle of a UTF-8 sequence.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = absl::StrCat(text.substr(0, end), "...");
  }
  return text;
}

template <typename Detail>
grpc::Status WithDetail(grpc::StatusCode code, const std::string& message, const Detail& detail) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(OneLine(message));
  status.add_details()->PackFrom(detail);
  return grpc::Status(code, status.message(), status.SerializeAsString());
}

std::string Describe(const v1::Violation& violation) {
  return OneLine(MessageOf(violation));
}

std::string Where(const v1::Violation& violation) {
  std::string where = ResourceId(violation.resource().kind(), violation.resource().name());
  if (!violation.path().empty()) absl::StrAppend(&where, ": ", violation.path());
  return OneLine(std::move(where));
}

}  // namespace

grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message) {
  return grpc::Status(code, OneLine(message));
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
  google::rpc::BadRequest detail;
  for (const v1::Violation& violation : violations) {
    auto& field = *detail.add_field_violations();
    field.set_field(Where(violation));
    field.set_description(Describe(violation));
    if (detail.ByteSizeLong() <= kMaxDetails) continue;
    detail.mutable_field_violations()->RemoveLast();
    break;
  }
  return WithDetail(grpc::StatusCode::INVALID_ARGUMENT, message, detail);
}

grpc::Status BadField(const std::string& field, const std::string& message) {
  google::rpc::BadRequest detail;
  auto& violation = *detail.add_field_violations();
  violation.set_field(OneLine(field));
  violation.set_description(OneLine(message));
  return WithDetail(grpc::StatusCode::INVALID_ARGUMENT, absl::StrCat(field, ": ", message), detail);
}

grpc::Status ReferredStatus(const std::vector<ReferredResource>& referred) {
  std::vector<std::string> parts;
  google::rpc::PreconditionFailure detail;
  for (const ReferredResource& entry : referred) {
    parts.push_back(absl::StrCat(entry.resource, " is referred to by ", absl::StrJoin(entry.referrers, ", ")));
    auto& violation = *detail.add_violations();
    violation.set_type("REFERRED_TO");
    violation.set_subject(entry.resource);
    violation.set_description(OneLine(absl::StrJoin(entry.referrers, ", ")));
    if (detail.ByteSizeLong() > kMaxDetails) detail.mutable_violations()->RemoveLast();
  }
  return WithDetail(grpc::StatusCode::FAILED_PRECONDITION,
                    absl::StrCat("nothing was deleted: ", absl::StrJoin(parts, "; ")), detail);
}

}  // namespace sluice

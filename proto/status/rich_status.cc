#include "proto/status/rich_status.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "proto/status/bounded_text.h"

namespace sluice {
namespace {

// What gRPC sends with a status; the first two where nothing came before it.
constexpr size_t kOwnTrailers = HeaderBytes(":status", 3) + HeaderBytes("content-type", sizeof("application/grpc") - 1) +
                                HeaderBytes("grpc-status", 2);
constexpr size_t kEmptyMessage = HeaderBytes("grpc-message", 0);
constexpr size_t kEmptyDetails = HeaderBytes("grpc-status-details-bin", 0);
// Tags and lengths of a detail, its Any and the type's URL, each of at most 16 KiB.
constexpr size_t kDetailFraming = 4 + 4 + 4;

std::string TypeUrl(const google::protobuf::Message& detail) {
  return absl::StrCat("type.googleapis.com/", detail.GetDescriptor()->full_name());
}

size_t DetailBytes(std::string_view message, size_t others) {
  const size_t taken = kOwnTrailers + kEmptyMessage + PercentEncodedBytes(message) + kEmptyDetails + others;
  return taken < kMaxTrailerBytes ? (kMaxTrailerBytes - taken) / 4 * 3 : 0;
}

}  // namespace

size_t TrailerBytes(const grpc::Status& status, size_t others) {
  return kOwnTrailers + kEmptyMessage + PercentEncodedBytes(status.error_message()) + kEmptyDetails +
         Base64Bytes(status.error_details().size()) + others;
}

RichStatus::RichStatus(int code, std::string_view message, size_t others)
    : max_bytes_(DetailBytes(StatusText(message, kMaxStatusMessageBytes), others)) {
  details_.set_code(code);
  details_.set_message(StatusText(message, kMaxStatusMessageBytes));
}

size_t RichStatus::TakenBeside(const google::protobuf::Message& detail) const {
  return details_.ByteSizeLong() + TypeUrl(detail).size() + kDetailFraming;
}

size_t RichStatus::Room(const google::protobuf::Message& detail) const {
  const size_t taken = TakenBeside(detail);
  return taken < max_bytes_ ? max_bytes_ - taken : 0;
}

bool RichStatus::Add(const google::protobuf::Message& detail) {
  if (TakenBeside(detail) + detail.ByteSizeLong() > max_bytes_) return false;
  google::protobuf::Any* any = details_.add_details();
  any->set_type_url(TypeUrl(detail));
  detail.SerializeToString(any->mutable_value());
  return true;
}

grpc::Status RichStatus::Take() const {
  return grpc::Status(static_cast<grpc::StatusCode>(details_.code()), details_.message(),
                      details_.SerializeAsString());
}

}  // namespace sluice

// Durations as people write them ("100ms", "1h30m") and as protobuf has them.
#ifndef SLUICE_PROTO_POLICY_DURATION_TEXT_H_
#define SLUICE_PROTO_POLICY_DURATION_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace sluice {

// INVALID_ARGUMENT says what is wrong ("unit missing: write 100ms or 100s").
// Negative durations are refused.
absl::StatusOr<absl::Duration> ParseDurationText(std::string_view text);
// The shortest exact form that ParseDurationText reads back: "1h30m", "0s".
std::string FormatDurationText(absl::Duration duration);

absl::Duration ToAbsl(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(absl::Duration duration);
absl::Time ToAbsl(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToProto(absl::Time time);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_DURATION_TEXT_H_

// Two values of one message of which one bounds the other. Used inside
// proto/policy only; pure.
#ifndef SLUICE_PROTO_POLICY_BOUNDS_H_
#define SLUICE_PROTO_POLICY_BOUNDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

#include "proto/policy/duration_text.h"
#include "proto/policy/violations.h"

namespace sluice {

// A value as it was written, with the name of its field.
template <typename T>
struct Written {
  absl::string_view name;
  std::optional<T> value;  // nullopt: not written
};
using WrittenTime = Written<absl::Duration>;
using WrittenCount = Written<std::uint64_t>;

// A field of a message: SLUICE_WRITTEN_TIME(timeouts, overall).
#define SLUICE_WRITTEN_TIME(message, field) \
  ::sluice::WrittenTime { #field, (message).has_##field() ? std::optional(::sluice::ToAbsl((message).field())) : std::nullopt }
#define SLUICE_WRITTEN_COUNT(message, field) \
  ::sluice::WrittenCount { #field, (message).has_##field() ? std::optional<std::uint64_t>((message).field()) : std::nullopt }

// "10s is above overall (5s); must be <= overall", at the part. Only what was
// written contradicts: a default that is longer than a bound that was written
// simply never takes effect.
void CheckWithin(const WrittenTime& part, const WrittenTime& whole, const std::string& path, Violations& out);
void CheckWithin(const WrittenCount& part, const WrittenCount& whole, const std::string& path, Violations& out);

// "50ms is below base (100ms); must be >= base", at the field that was set; a
// bound that is only a default (`low`, `high`) is called one and counts too.
void CheckCap(const WrittenTime& low_written, absl::Duration low, const WrittenTime& high_written,
              absl::Duration high, const std::string& path, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_BOUNDS_H_

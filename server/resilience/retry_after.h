// How long an upstream asks to be left alone, read from its response headers.
// Pure: the wall clock is an argument.
#ifndef SLUICE_SERVER_RESILIENCE_RETRY_AFTER_H_
#define SLUICE_SERVER_RESILIENCE_RETRY_AFTER_H_

#include <optional>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "server/resilience/time.h"

namespace sluice {

// A provider that asks for a day (or a forged header) must not take an
// endpoint out for a day: after an hour it is worth one request to ask again.
inline constexpr Duration kMaxRetryAfter = absl::Hours(1);

// The value of a response header, case-insensitively; empty if absent.
using HeaderValue = absl::FunctionRef<std::string_view(std::string_view name)>;

// In this order: a header in milliseconds (`retry-after-ms`); `Retry-After`; and
// of a 429 the reset times of the limits that are used up, else the soonest that
// is told. A time is read in any of its forms: seconds with a fraction, a unit
// ("9s", "6m0s"), in quotes, an HTTP date of RFC 9110, one of RFC 3339, seconds
// or milliseconds since 1970. Between zero and `max`; a date in the past is
// zero. None if nothing readable is said.
std::optional<Duration> ReadRetryAfter(int http_status, HeaderValue header, absl::Time wall_now,
                                       Duration max = kMaxRetryAfter);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RETRY_AFTER_H_

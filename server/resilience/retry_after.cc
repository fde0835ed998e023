#include "server/resilience/retry_after.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace sluice {
namespace {

std::optional<double> ParseNumber(std::string_view text) {
  double number = 0;
  // SimpleAtod allows white space around.
  if (text.empty() || !absl::SimpleAtod(absl::string_view(text.data(), text.size()), &number) || !std::isfinite(number) || number < 0) return std::nullopt;
  return number;
}

std::optional<Duration> ParseHttpDate(std::string_view text, absl::Time wall_now) {
  // IMF-fixdate, then the two obsolete forms that a recipient must accept.
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
    absl::Time when;
    std::string why_not;
    if (absl::ParseTime(format, std::string(text), &when, &why_not)) return when - wall_now;
  }
  return std::nullopt;
}

std::optional<Duration> ParseRetryAfter(std::string_view text, absl::Time wall_now) {
  if (text.empty()) return std::nullopt;
  if (const auto seconds = ParseNumber(text)) return absl::Seconds(*seconds);
  return ParseHttpDate(text, wall_now);
}

// "1s", "6m0s", "120ms"; a bare number is seconds.
std::optional<Duration> ParseReset(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto seconds = ParseNumber(text)) return absl::Seconds(*seconds);
  Duration duration;
  if (!absl::ParseDuration(std::string(text), &duration)) return std::nullopt;
  return duration;
}

std::optional<Duration> ReadRateLimitReset(HeaderValue header) {
  const auto requests = ParseReset(header("x-ratelimit-reset-requests"));
  const auto tokens = ParseReset(header("x-ratelimit-reset-tokens"));
  if (!requests || !tokens) return requests ? requests : tokens;
  // A reset is told of both limits whichever was hit: "remaining" says which.
  const bool no_requests = ParseNumber(header("x-ratelimit-remaining-requests")) == 0.0;
  const bool no_tokens = ParseNumber(header("x-ratelimit-remaining-tokens")) == 0.0;
  if (no_requests && no_tokens) return std::max(requests, tokens);
  if (no_requests) return requests;
  if (no_tokens) return tokens;
  return std::min(requests, tokens);
}

}  // namespace

std::optional<Duration> ReadRetryAfter(HeaderValue header, absl::Time wall_now, Duration max) {
  std::optional<Duration> wait;
  if (const auto ms = ParseNumber(header("retry-after-ms"))) wait = absl::Milliseconds(*ms);
  if (!wait) wait = ParseRetryAfter(header("retry-after"), wall_now);
  if (!wait) wait = ReadRateLimitReset(header);
  if (!wait) return std::nullopt;
  return std::clamp(*wait, absl::ZeroDuration(), max);
}

}  // namespace sluice

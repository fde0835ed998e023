#include "server/resilience/retry_after.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "server/resilience/duration_text.h"

namespace sluice {
namespace {

constexpr int kTooManyRequests = 429;

constexpr std::string_view kMilliseconds[] = {
    "retry-after-ms",       // OpenAI, Azure
    "x-ms-retry-after-ms",  // Azure API Management
};

// A limit of a provider: when it is full again, and what is left of it.
struct LimitHeaders {
  std::string_view reset;
  std::string_view remaining;
};

constexpr LimitHeaders kLimits[] = {
    // OpenAI, Azure, Groq, Mistral, Fireworks, Together, SambaNova.
    {"x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"},
    {"x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"},
    // Cerebras.
    {"x-ratelimit-reset-requests-day", "x-ratelimit-remaining-requests-day"},
    {"x-ratelimit-reset-tokens-minute", "x-ratelimit-remaining-tokens-minute"},
    // Anthropic, and proxies before it.
    {"anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"},
    {"anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"},
    {"anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"},
    {"anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"},
    // draft-ietf-httpapi-ratelimit-headers up to its version 7.
    {"ratelimit-reset", "ratelimit-remaining"},
    // OpenRouter, and many gateways.
    {"x-ratelimit-reset", "x-ratelimit-remaining"},
};

// A number from here on is a time since 1970, in seconds or in milliseconds: as
// a length it would be 30 years.
constexpr double kEpochSeconds = 1e9;
constexpr double kEpochMilliseconds = 1e12;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string_view Unquoted(std::string_view text) {
  const absl::string_view bare = absl::StripAsciiWhitespace(View(text));
  text = {bare.data(), bare.size()};
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

std::optional<double> ParseNumber(std::string_view text) {
  double number = 0;
  if (text.empty() || !absl::SimpleAtod(View(text), &number) || !std::isfinite(number) || number < 0) return std::nullopt;
  return number;
}

std::optional<Duration> ParseDate(std::string_view text, absl::Time wall_now) {
  // IMF-fixdate, then the two obsolete forms that a recipient must accept, then
  // what is sent besides. Without a zone absl reads UTC, whatever the machine's.
  for (const char* format : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y",
                             "%a, %d %b %Y %H:%M:%S UTC", "%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%d%ET%H:%M:%E*S%Ez"}) {
    absl::Time when;
    std::string why_not;
    if (absl::ParseTime(format, std::string(text), &when, &why_not)) return when - wall_now;
  }
  return std::nullopt;
}

Duration OfNumber(double number, absl::Time wall_now) {
  if (number >= kEpochMilliseconds) return absl::UnixEpoch() + absl::Milliseconds(number) - wall_now;
  if (number >= kEpochSeconds) return absl::UnixEpoch() + absl::Seconds(number) - wall_now;
  return absl::Seconds(number);
}

std::optional<Duration> ParseTimeToWait(std::string_view text, absl::Time wall_now) {
  text = Unquoted(text);
  if (text.empty()) return std::nullopt;
  if (const auto number = ParseNumber(text)) return OfNumber(*number, wall_now);
  std::string_view rest = text;
  const std::optional<DurationText> told = TakeDuration(rest);
  if (told && rest.empty()) return told->duration;
  return ParseDate(text, wall_now);
}

std::optional<Duration> ReadReset(HeaderValue header, absl::Time wall_now) {
  // A reset is told of each limit whichever was hit: "remaining" says which.
  std::optional<Duration> used_up;
  std::optional<Duration> soonest;
  for (const LimitHeaders& limit : kLimits) {
    const std::optional<Duration> reset = ParseTimeToWait(header(limit.reset), wall_now);
    if (!reset) continue;
    if (ParseNumber(Unquoted(header(limit.remaining))) == 0.0) used_up = std::max(used_up.value_or(*reset), *reset);
    soonest = std::min(soonest.value_or(*reset), *reset);
  }
  return used_up ? used_up : soonest;
}

}  // namespace

std::optional<Duration> ReadRetryAfter(int http_status, HeaderValue header, absl::Time wall_now, Duration max) {
  std::optional<Duration> wait;
  for (const std::string_view name : kMilliseconds) {
    const std::optional<double> ms = wait ? std::nullopt : ParseNumber(Unquoted(header(name)));
    if (ms) wait = absl::Milliseconds(*ms);
  }
  if (!wait) wait = ParseTimeToWait(header("retry-after"), wall_now);
  // Some tell reset times with every answer: they ask for rest only where a
  // limit was hit.
  if (!wait && http_status == kTooManyRequests) wait = ReadReset(header, wall_now);
  if (!wait) return std::nullopt;
  return std::clamp(*wait, absl::ZeroDuration(), max);
}

}  // namespace sluice

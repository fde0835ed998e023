#include "server/codec/retry_text.h"

#include <algorithm>
#include <string>

#include "server/codec/ascii_text.h"
#include "server/resilience/duration_text.h"
#include "server/resilience/retry_after.h"

namespace sluice {
namespace {

// More is an echo of the request.
constexpr size_t kMaxLooked = 2048;
// How far before the time the word that makes it one to wait may stand: "try
// again (in less than about 20 s".
constexpr size_t kReach = 48;

// What stands right before the number.
constexpr std::string_view kBefore[] = {"in", "after", "wait", "for", "within", "retry_after", "retry-after"};
// What may stand between.
constexpr std::string_view kBetween[] = {"about", "approximately", "at least", "another", "approx.", "~", ":", "=", "\"", "'"};
// One of these makes it a time to wait.
constexpr std::string_view kWaiting[] = {"again", "retry", "wait", "reset", "back off", "available"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }

std::string_view TrimEnd(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string_view TrimBetween(std::string_view before) {
  for (bool more = true; more;) {
    more = false;
    before = TrimEnd(before);
    for (const std::string_view word : kBetween) {
      if (!before.ends_with(word)) continue;
      before.remove_suffix(word.size());
      more = true;
    }
  }
  return before;
}

bool EndsWithWord(std::string_view text, std::string_view word) {
  if (!text.ends_with(word)) return false;
  return text.size() == word.size() || !IsLetter(text[text.size() - word.size() - 1]);
}

// From the last end of a sentence, no further back than kReach.
std::string_view LastSentence(std::string_view text) {
  if (text.size() > kReach) text.remove_prefix(text.size() - kReach);
  const size_t end = text.rfind(". ");
  return end == std::string_view::npos ? text : text.substr(end + 2);
}

bool SaysToWait(std::string_view before) {
  before = TrimBetween(before);
  const bool led = std::any_of(std::begin(kBefore), std::end(kBefore),
                               [&](std::string_view word) { return EndsWithWord(before, word); });
  if (!led) return false;
  const std::string_view sentence = LastSentence(before);
  return std::any_of(std::begin(kWaiting), std::end(kWaiting),
                     [&](std::string_view word) { return sentence.find(word) != std::string_view::npos; });
}

// "retry after 30": a number alone is read where nothing follows that it could
// count.
bool EndsThere(std::string_view rest) { return rest.empty() || std::string_view(".,;)}\"'!").find(rest.front()) != std::string_view::npos; }

}  // namespace

std::optional<Duration> ReadRetryText(std::string_view message) {
  const std::string lower = AsciiLower(message.substr(0, kMaxLooked));
  const std::string_view text(lower);
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsDigit(text[at])) continue;
    std::string_view rest = text.substr(at);
    const std::optional<DurationText> told = TakeDuration(rest);
    const bool readable = told && (told->has_unit || EndsThere(rest));
    if (readable && SaysToWait(text.substr(0, at))) return std::clamp(told->duration, absl::ZeroDuration(), kMaxRetryAfter);
    // The rest of this number is none of its own.
    while (at + 1 < text.size() && (IsDigit(text[at + 1]) || text[at + 1] == '.')) ++at;
  }
  return std::nullopt;
}

}  // namespace sluice

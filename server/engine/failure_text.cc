#include "server/engine/failure_text.h"

#include <algorithm>

namespace sluice {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

std::string_view PhraseOf(FailureKind kind) {
  switch (kind) {
    case FailureKind::kNone:
      return "";
    case FailureKind::kConnect:
      return "connect failed";
    case FailureKind::kReset:
      return "connection reset";
    case FailureKind::kTimeout:
      return "timeout";
    case FailureKind::kOverload:
      return "overloaded";
    case FailureKind::kServerError:
      return "server error";
    case FailureKind::kRateLimited:
      return "rate limited";
    case FailureKind::kQuota:
      return "quota used up";
    case FailureKind::kAuth:
      return "credential refused";
    case FailureKind::kNotFound:
      return "not found";
    case FailureKind::kCaller:
      return "request refused";
    case FailureKind::kRefused:
      return "content refused";
    case FailureKind::kProtocol:
      return "malformed answer";
    case FailureKind::kTruncated:
      return "cut";
    case FailureKind::kCancelled:
      return "cancelled";
    case FailureKind::kShed:
      return "gateway's limit reached";
  }
  return "";
}

std::string MessageOf(const UpstreamError& error) {
  std::string text(PhraseOf(error.kind));
  if (error.kind == FailureKind::kAuth) return error.code.empty() ? text : text + " (" + error.code + ")";
  return error.message.empty() ? text : error.message;
}

std::string OneLine(std::string_view text, size_t max) {
  size_t size = std::min(text.size(), max);
  if (size < text.size()) {
    while (size > 0 && IsContinuation(text[size])) --size;
  }
  std::string line(text.substr(0, size));
  std::replace_if(line.begin(), line.end(), IsControl, ' ');
  return line;
}

std::string ShortDuration(Duration duration) {
  const Duration unit = duration < absl::Milliseconds(1)  ? absl::Microseconds(1)
                        : duration < absl::Seconds(10) ? absl::Milliseconds(1)
                                                       : absl::Milliseconds(100);
  return absl::FormatDuration(absl::Trunc(duration, unit));
}

std::string DescribeAttempt(const AttemptRecord& attempt) {
  std::string text = attempt.upstream + "/" + attempt.endpoint;
  // A 200 says nothing of a failure that came after it.
  if (attempt.http_status != 0 && attempt.http_status / 100 != 2) text += " " + std::to_string(attempt.http_status);
  text += " ";
  text += attempt.message.empty() ? PhraseOf(attempt.failure) : attempt.message;
  if (attempt.retry_after) text += ", retry after " + ShortDuration(*attempt.retry_after);
  return text;
}

std::string DescribeAttempts(const std::vector<AttemptRecord>& attempts, size_t max) {
  std::string text = std::to_string(attempts.size()) + (attempts.size() == 1 ? " attempt failed: " : " attempts failed: ");
  const size_t share = (max - std::min(max, text.size())) / std::max<size_t>(attempts.size(), 1);
  for (size_t i = 0; i < attempts.size(); ++i) {
    std::string note;
    if (i + 1 < attempts.size()) {
      const Duration wait = attempts[i + 1].backoff;
      if (wait > absl::ZeroDuration()) note = " (retried after " + ShortDuration(wait) + ")";
      note += "; ";
    }
    text += OneLine(DescribeAttempt(attempts[i]), share - std::min(share, note.size())) + note;
  }
  return text;
}

}  // namespace sluice

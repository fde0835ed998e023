#include "proto/policy/duration_text.h"

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "proto/policy/wording.h"

namespace sluice {
namespace {

// google.protobuf.Duration ends at about 10,000 years.
constexpr std::int64_t kMaxSeconds = 315'576'000'000;
// More text than that is no duration, whatever it says.
constexpr std::size_t kMaxText = 64;

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// From large to small.
constexpr absl::string_view kUnits[] = {"h", "m", "s", "ms", "us", "ns"};
constexpr std::size_t kUnitCount = std::size(kUnits);

// How many digits after the point still are whole nanoseconds. (Those of
// minutes and hours are seen when the number is known.)
std::size_t FractionDigits(absl::string_view unit) {
  if (unit == "ns") return 0;
  if (unit == "us") return 3;
  if (unit == "ms") return 6;
  return 9;
}

// "" when `text` is (number unit)+ from large to small, else what is wrong with it.
std::string ShapeError(absl::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    return i > from;
  };
  if (text.empty()) return "is empty; write a number with its unit, like 100ms or 1h30m";
  std::size_t next = 0;  // among the units: those before it have been
  while (i < text.size()) {
    std::size_t fraction = 0;
    if (!digits()) return "is not a duration; write a number with its unit, like 100ms or 1h30m";
    if (i < text.size() && text[i] == '.') {
      const std::size_t point = i++;
      if (!digits()) return "is not a duration; digits must follow the point";
      fraction = i - point - 1;
    }
    const std::size_t from = i;
    while (i < text.size() && absl::ascii_isalpha(static_cast<unsigned char>(text[i]))) ++i;
    const absl::string_view unit = text.substr(from, i - from);
    if (unit.empty() && i == text.size()) {
      return absl::StrCat("unit missing: write ", text, "ms or ", text, "s");
    }
    const std::size_t place = std::find(kUnits, kUnits + kUnitCount, unit) - kUnits;
    if (place == kUnitCount) {
      return unit.empty() ? "is not a duration; write it without spaces, like 100ms or 1h30m"
                          : absl::StrCat("unknown unit ", Shown(unit), "; use h, m, s, ms, us or ns");
    }
    if (fraction > FractionDigits(unit)) return "is finer than a nanosecond";
    // "1m1m" is a slip of the hand, and which one nobody knows.
    if (place < next) return "has a unit twice or behind a smaller one; write each once, the largest first, like 1h30m";
    next = place + 1;
  }
  return "";
}

absl::Status Refuse(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Shown(text), ": ", why));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDurationText(std::string_view written) {
  const absl::string_view text(written.data(), written.size());
  if (text.size() > kMaxText) return Refuse(text, "is too long for a duration");
  if (!text.empty() && text[0] == '-') return Refuse(text, "a duration cannot be negative");
  if (const std::string wrong = ShapeError(text); !wrong.empty()) return Refuse(text, wrong);
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration > absl::Seconds(kMaxSeconds)) {
    return Refuse(text, "is longer than a duration can be (10,000 years)");
  }
  if (absl::Trunc(duration, absl::Nanoseconds(1)) != duration) {
    return Refuse(text, "is finer than a nanosecond");
  }
  return duration;
}

std::string FormatDurationText(absl::Duration duration) {
  return duration == absl::ZeroDuration() ? "0s" : absl::FormatDuration(duration);
}

absl::Duration ToAbsl(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration)));
  return out;
}

absl::Time ToAbsl(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp out;
  // Nanoseconds of a timestamp count forward, before 1970 too.
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out.set_seconds(seconds);
  out.set_nanos(static_cast<std::int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return out;
}

}  // namespace sluice

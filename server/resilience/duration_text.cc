#include "server/resilience/duration_text.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace sluice {
namespace {

struct Unit {
  std::string_view name;
  double seconds;
};

constexpr Unit kUnits[] = {
    {"ms", 0.001},   {"msec", 0.001}, {"millisecond", 0.001}, {"milliseconds", 0.001},
    {"s", 1},        {"sec", 1},      {"secs", 1},            {"second", 1},
    {"seconds", 1},  {"m", 60},       {"min", 60},            {"mins", 60},
    {"minute", 60},  {"minutes", 60}, {"h", 3600},            {"hr", 3600},
    {"hrs", 3600},   {"hour", 3600},  {"hours", 3600},        {"d", 86400},
    {"day", 86400},  {"days", 86400},
};

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

void SkipBlanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

// Digits, and a fraction only where digits follow the point: "8." ends a
// sentence.
std::optional<double> TakeNumber(std::string_view& text) {
  size_t size = 0;
  while (size < text.size() && absl::ascii_isdigit(text[size])) ++size;
  if (size == 0) return std::nullopt;
  if (size + 1 < text.size() && text[size] == '.' && absl::ascii_isdigit(text[size + 1])) {
    ++size;
    while (size < text.size() && absl::ascii_isdigit(text[size])) ++size;
  }
  double number = 0;
  if (!absl::SimpleAtod(View(text.substr(0, size)), &number) || !std::isfinite(number)) return std::nullopt;
  text.remove_prefix(size);
  return number;
}

std::string_view TakeWord(std::string_view& text) {
  size_t size = 0;
  while (size < text.size() && absl::ascii_isalpha(text[size])) ++size;
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size);
  return word;
}

// In seconds; 0: the word is no unit.
double SecondsOf(std::string_view word) {
  for (const Unit& unit : kUnits) {
    if (absl::EqualsIgnoreCase(View(unit.name), View(word))) return unit.seconds;
  }
  return 0;
}

// A number with its unit, which may stand apart.
std::optional<double> TakePiece(std::string_view& text) {
  std::string_view rest = text;
  const std::optional<double> number = TakeNumber(rest);
  if (!number) return std::nullopt;
  SkipBlanks(rest);
  const double seconds = SecondsOf(TakeWord(rest));
  if (seconds == 0) return std::nullopt;
  text = rest;
  return *number * seconds;
}

}  // namespace

std::optional<DurationText> TakeDuration(std::string_view& text) {
  if (std::optional<double> sum = TakePiece(text)) {
    for (;;) {
      std::string_view rest = text;
      SkipBlanks(rest);
      if (absl::StartsWithIgnoreCase(View(rest), "and ")) rest.remove_prefix(4);
      const std::optional<double> more = TakePiece(rest);
      if (!more) return DurationText{absl::Seconds(*sum), true};
      *sum += *more;
      text = rest;
    }
  }
  std::string_view rest = text;
  const std::optional<double> number = TakeNumber(rest);
  if (!number) return std::nullopt;
  std::string_view behind = rest;
  SkipBlanks(behind);
  if (!TakeWord(behind).empty()) return std::nullopt;
  text = rest;
  return DurationText{absl::Seconds(*number), false};
}

}  // namespace sluice

#include "tests/simulator/pushback.h"

#include <cstdlib>

namespace sluice::simulator {
namespace {

constexpr std::string_view kDatePlus = "date+";

// RFC 9110's preferred form.
std::string HttpDate(std::time_t at) {
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[64];
  std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

bool Take(std::string_view field, std::string_view name, std::string& value) {
  if (!field.starts_with(name)) return false;
  value = field.substr(name.size());
  return true;
}

}  // namespace

bool Pushback::Read(std::string_view field) {
  return Take(field, "retry-after=", retry_after) || Take(field, "retry-after-ms=", retry_after_ms) ||
         Take(field, "reset=", reset);
}

std::string Pushback::Headers(std::time_t now) const {
  std::string headers;
  if (retry_after.starts_with(kDatePlus)) {
    headers += "Retry-After: " + HttpDate(now + std::atol(retry_after.c_str() + kDatePlus.size())) + "\r\n";
  } else if (!retry_after.empty()) {
    headers += "Retry-After: " + retry_after + "\r\n";
  }
  if (!retry_after_ms.empty()) headers += "retry-after-ms: " + retry_after_ms + "\r\n";
  if (!reset.empty()) {
    headers += "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: " + reset + "\r\n";
  }
  return headers;
}

}  // namespace sluice::simulator

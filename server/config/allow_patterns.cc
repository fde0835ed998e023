#include "server/config/allow_patterns.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

absl::Status Refuse(std::string_view pattern, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", std::string(pattern), "\" ", std::string(why)));
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// What may be left of the pattern when its beginning has matched `begin`. A star
// that may go on matching is left in.
std::vector<std::string_view> RestsAfter(std::string_view begin, std::string_view pattern) {
  std::set<size_t> places = {0};
  const auto step_over_stars = [&] {
    for (const size_t place : places) {
      if (place < pattern.size() && pattern[place] == '*') places.insert(place + 1);
    }
  };
  for (const char c : begin) {
    step_over_stars();
    std::set<size_t> next;
    for (const size_t place : places) {
      if (place == pattern.size()) continue;
      if (pattern[place] == '*' && c != '/') next.insert(place);
      if (pattern[place] == c) next.insert(place + 1);
    }
    places = std::move(next);
  }
  step_over_stars();
  std::vector<std::string_view> rests;
  for (const size_t place : places) rests.push_back(pattern.substr(place));
  return rests;
}

bool CanBeVariable(std::string_view rest) {
  const auto fits = [](char c) { return c == '*' || IsNameCharacter(c); };
  return !rest.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(rest[0])) &&
         std::all_of(rest.begin(), rest.end(), fits);
}

bool CanBeFile(std::string_view rest) {
  const std::string slashed = absl::StrCat("/", std::string(rest), "/");
  return !rest.empty() && slashed.find("/../") == std::string::npos && slashed.find("/./") == std::string::npos &&
         std::all_of(rest.begin(), rest.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
}

bool AnyRest(std::string_view begin, std::string_view pattern, bool (*fits)(std::string_view)) {
  const std::vector<std::string_view> rests = RestsAfter(begin, pattern);
  return std::any_of(rests.begin(), rests.end(), fits);
}

// "*", or digits and stars that can be a port.
bool CanBePort(std::string_view port) {
  if (port.empty() || port.find_first_not_of("0123456789*") != std::string_view::npos) return false;
  if (port.find('*') != std::string_view::npos) return true;
  int number = 0;
  return absl::SimpleAtoi(std::string(port), &number) && number >= 1 && number <= 65535 && port[0] != '0';
}

}  // namespace

absl::Status CheckCredentialPattern(std::string_view pattern) {
  if (AnyRest("env:", pattern, CanBeVariable) || AnyRest("file:/", pattern, CanBeFile)) return absl::OkStatus();
  return Refuse(pattern,
                "can match no credential; write env:NAME or file:/path, where * stands for any characters but '/', "
                "like env:*_API_KEY or file:/run/secrets/*");
}

std::string CredentialPatternNote(std::string_view pattern) {
  if (!pattern.starts_with('*') || AnyRest("file:/", pattern, CanBeFile)) return "";
  return absl::StrCat("\"", std::string(pattern),
                      "\" matches variables (env:) only, for * stands for any characters but '/'; files need "
                      "patterns of their own, like file:/run/secrets/*");
}

absl::Status CheckHostPattern(std::string_view pattern) {
  const auto refuse = [&] {
    return Refuse(pattern,
                  "can match no host; write a host or host:port without scheme and path, like api.openai.com, "
                  "*.openai.com or localhost:8080");
  };
  const auto fits = [](unsigned char c) {
    return absl::ascii_isalnum(c) || std::string_view("*.-_:[]").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (pattern.empty() || !std::all_of(pattern.begin(), pattern.end(), fits)) return refuse();
  const size_t open = pattern.find('[');
  if (open != std::string_view::npos || pattern.find(']') != std::string_view::npos) {
    // Brackets are there only with a port: "[::1]:443". The rest of such a
    // pattern is an address.
    const size_t close = pattern.find("]:");
    const bool whole = open == 0 && close != std::string_view::npos && close > 1 &&
                       pattern.find('[', 1) == std::string_view::npos && CanBePort(pattern.substr(close + 2));
    if (whole) return absl::OkStatus();
    return pattern.find('*') != std::string_view::npos ? absl::OkStatus() : refuse();
  }
  const size_t colon = pattern.find(':');
  // Two colons are an IPv6 address: "::1".
  const bool one = colon != std::string_view::npos && pattern.find(':', colon + 1) == std::string_view::npos;
  if (one && pattern.find('*') == std::string_view::npos && (colon == 0 || !CanBePort(pattern.substr(colon + 1)))) {
    return refuse();
  }
  return absl::OkStatus();
}

}  // namespace sluice

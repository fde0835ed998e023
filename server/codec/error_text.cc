#include "server/codec/error_text.h"

#include "server/codec/ascii_text.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

constexpr std::string_view kRedacted = "[redacted]";
constexpr size_t kMaxShownPlace = 256;
// Shorter words that begin like a key are words ("sk-learn").
constexpr size_t kMinKeyLength = 10;
// How keys of the providers that speak this format begin.
constexpr std::string_view kKeyPrefixes[] = {"sk-", "sk_", "rk-", "pk-", "gsk_", "xai-", "hf_", "r8_", "nvapi-",
                                             "AIza", "eyJ", "AKIA", "ghp_", "fw_", "csk-"};
// The word after one of these is a secret, whatever it looks like.
constexpr std::string_view kBefore[] = {"bearer", "basic", "key provided:", "token provided:", "api_key", "api-key",
                                        "apikey", "authorization:", "password", "x-api-key", "secret"};

bool IsKeyCharacter(char c) {
  const char lower = AsciiLower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.*+/=~").find(c) != std::string_view::npos;
}
bool IsBetween(char c) { return c == ' ' || c == ':' || c == '=' || c == '"' || c == '\''; }

std::string OneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    // C1 control characters are C2 80..9F; a terminal obeys them.
    const bool c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;
    if (!c1 && c > 0x20 && c != 0x7F) {
      line.push_back(static_cast<char>(c));
    } else if (!line.empty() && line.back() != ' ') {
      line.push_back(' ');
    }
  }
  return std::string(TrimBlanks(line));
}

bool HasKeyPrefix(std::string_view word) {
  for (const std::string_view prefix : kKeyPrefixes) {
    if (word.starts_with(prefix)) return true;
  }
  return false;
}

// Whether what stands before a word says that the word is a secret.
bool SecretFollows(std::string_view before) {
  bool between = false;
  while (!before.empty() && IsBetween(before.back())) {
    before.remove_suffix(1);
    between = true;
  }
  for (std::string_view sign : kBefore) {
    if (sign.back() == ':') sign.remove_suffix(1);
    if (between && EndsIgnoringCase(before, sign)) return true;
  }
  return false;
}

bool IsSecret(std::string_view word, std::string_view before) {
  if (word.size() >= kMinKeyLength && HasKeyPrefix(word)) return true;
  const bool is_scheme = EqualsIgnoringCase(word, "bearer") || EqualsIgnoringCase(word, "basic");
  if (is_scheme || !SecretFollows(before)) return false;
  // "basic authentication", "bearer token", "password required": a word.
  if (word.size() >= 16) return true;
  for (const char c : word) {
    if ((c < 'a' || c > 'z') && c != '.') return true;
  }
  return false;
}

std::string Redact(std::string_view line) {
  std::string out;
  size_t at = 0;
  while (at < line.size()) {
    size_t end = at;
    while (end < line.size() && IsKeyCharacter(line[end])) ++end;
    // "api_key=abc" is one run: the part after the sign stands alone.
    const size_t sign = line.substr(at, end - at).find('=');
    if (sign != std::string_view::npos && sign > 0 && at + sign + 1 < end) end = at + sign + 1;
    if (end == at) {
      out.push_back(line[at++]);
      continue;
    }
    const std::string_view word = line.substr(at, end - at);
    out.append(IsSecret(word, line.substr(0, at)) ? kRedacted : word);
    at = end;
  }
  return out;
}

}  // namespace

std::string ErrorText(std::string_view text) {
  // Nothing beyond a few times the bound can show; secrets that straddle the
  // bound are redacted before the cut.
  const std::string line = Redact(OneLine(WholeUtf8(text.substr(0, 8 * kMaxErrorText))));
  if (line.size() <= kMaxErrorText) return line;
  constexpr std::string_view kMore = "…";
  return std::string(CutUtf8(line, kMaxErrorText - kMore.size())).append(kMore);
}

std::string RedirectText(int http_status, std::string_view location) {
  std::string_view place = location.substr(0, location.find_first_of("?#"));
  // Of an address, what stands before the host.
  const size_t scheme = place.find("//");
  const size_t host = scheme == std::string_view::npos ? 0 : scheme + 2;
  const size_t user = place.substr(0, place.find('/', host)).rfind('@');
  std::string shown(place.substr(0, host));
  shown += user == std::string_view::npos || scheme == std::string_view::npos ? place.substr(host) : place.substr(user + 1);
  return ErrorText("redirected (" + std::to_string(http_status) + ") to " + shown.substr(0, kMaxShownPlace));
}

bool LooksLikeHtml(std::string_view body) {
  const std::string_view start = TrimBlanks(body);
  return StartsIgnoringCase(start, "<!doctype") || StartsIgnoringCase(start, "<html") ||
         StartsIgnoringCase(start, "<head") || StartsIgnoringCase(start, "<?xml");
}

std::string_view HtmlTitle(std::string_view body) {
  constexpr std::string_view kOpen = "<title>";
  for (size_t at = body.find('<'); at != std::string_view::npos; at = body.find('<', at + 1)) {
    if (!StartsIgnoringCase(body.substr(at), kOpen)) continue;
    const std::string_view rest = body.substr(at + kOpen.size());
    return TrimBlanks(rest.substr(0, rest.find('<')));
  }
  return {};
}

}  // namespace sluice

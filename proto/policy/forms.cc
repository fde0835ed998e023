#include "proto/policy/forms.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/stubs/logging.h"

#include "proto/policy/wording.h"

namespace sluice {
namespace {

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsVisible(char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); }

template <typename Predicate>
bool All(absl::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

absl::Status Refuse(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

absl::Status CheckName(absl::string_view name) {
  const auto inner = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= 63 && All(name, inner) && IsAlnum(name.front()) &&
      IsAlnum(name.back())) {
    return absl::OkStatus();
  }
  return Refuse(absl::StrCat(Shown(name),
                             " is not a name; use 1 to 63 characters of a-z, 0-9, '.', '_' and "
                             "'-', the first and the last a letter or digit"));
}

absl::Status CheckModel(absl::string_view model) {
  if (!model.empty() && model.size() <= 256 && All(model, IsVisible)) return absl::OkStatus();
  return Refuse(absl::StrCat(Shown(model),
                             " is not a model; use up to 256 visible ASCII characters, or \"*\""));
}

// A credential of another form may be the secret itself: never printed whole.
absl::Status CheckCredential(absl::string_view credential) {
  absl::string_view rest = credential;
  if (absl::ConsumePrefix(&rest, "env:")) {
    const auto inner = [](char c) { return IsAlnum(c) || c == '_'; };
    if (!rest.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(rest[0])) &&
        All(rest, inner)) {
      return absl::OkStatus();
    }
    return Refuse(absl::StrCat(Masked(credential),
                               " names no environment variable; write env:NAME with letters, "
                               "digits and '_'"));
  }
  if (absl::ConsumePrefix(&rest, "file:")) {
    if (rest.size() > 1 && rest[0] == '/' && All(rest, IsVisible) && !absl::StrContains(rest, "/../")) {
      return absl::OkStatus();
    }
    return Refuse(absl::StrCat(Masked(credential), " names no file; write file:/absolute/path"));
  }
  return Refuse(absl::StrCat(Masked(credential),
                             " does not name a secret; write env:NAME or file:/path (the secret "
                             "itself does not belong in a policy)"));
}

// Without what may be secret in a url: its user part, its query, its fragment.
std::string ShownUrl(absl::string_view url) {
  const std::size_t slashes = url.find("//");
  const std::size_t authority = slashes == url.npos ? 0 : slashes + 2;
  const std::size_t end = std::min(url.size(), url.find_first_of("/?#", authority));
  const std::size_t at = url.substr(0, end).rfind('@');
  std::string out(url.substr(0, authority));
  if (at != url.npos && at >= authority) out += "…@";
  const std::size_t from = at != url.npos && at >= authority ? at + 1 : authority;
  const std::size_t query = url.find_first_of("?#", from);
  absl::StrAppend(&out, url.substr(from, query == url.npos ? url.npos : query - from));
  if (query != url.npos) absl::StrAppend(&out, url.substr(query, 1), "…");
  return Shown(out);
}

bool IsHostName(absl::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') return false;
  if (absl::StrContains(host, "..")) return false;
  return All(host, [](char c) { return IsAlnum(c) || c == '-' || c == '.' || c == '_'; });
}

bool IsIpv6(absl::string_view host) {
  return absl::StrContains(host, ":") &&
         All(host, [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.'; });
}

// "host:port", "[::1]:port" or a bare host; "" or what is wrong.
std::string ParseAuthority(absl::string_view authority, UrlParts* out) {
  absl::string_view port;
  bool has_port = false;
  if (absl::StartsWith(authority, "[")) {
    const std::size_t close = authority.find(']');
    if (close == authority.npos) return "has a '[' without a ']'";
    out->host = absl::AsciiStrToLower(authority.substr(1, close - 1));
    if (!IsIpv6(out->host)) return "has no IPv6 address in its brackets";
    port = authority.substr(close + 1);
    has_port = absl::ConsumePrefix(&port, ":");
    if (!has_port && !port.empty()) return "has text behind its ']'";
  } else {
    const std::size_t colon = authority.find(':');
    has_port = colon != authority.npos;
    out->host = absl::AsciiStrToLower(authority.substr(0, colon));
    if (has_port) port = authority.substr(colon + 1);
    if (out->host.empty()) return "has no host";
    if (!IsHostName(out->host)) return "has no valid host";
  }
  if (!has_port) return "";
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
  if (!digits || !absl::SimpleAtoi(port, &out->port) || out->port < 1 || out->port > 65535) {
    return "has no valid port; 1 to 65535 is accepted";
  }
  return "";
}

absl::Status CheckProxy(absl::string_view url) {
  const auto parts = ParseUrl(url);
  if (!parts.ok()) return parts.status();
  if (parts->scheme == "http" && parts->path.empty()) return absl::OkStatus();
  return Refuse(absl::StrCat(ShownUrl(url), " is not a proxy; write http://host:port"));
}

// Below an endpoint's url: a path, and a query where a server wants one.
absl::Status CheckPath(absl::string_view path) {
  if (!absl::StartsWith(path, "/")) {
    return Refuse(absl::StrCat(Shown(path), " is not a path; write /path, it is put behind the url"));
  }
  if (path.size() > 1024) return Refuse("is too long for a path; 1024 bytes are accepted");
  if (!All(path, IsVisible)) {
    return Refuse(absl::StrCat(Shown(path), " has a space or a character that is not ASCII; write it as %20"));
  }
  if (absl::StrContains(path, "#")) {
    return Refuse(absl::StrCat(Shown(path), " has a fragment, which is never sent; leave it out"));
  }
  return absl::OkStatus();
}

bool IsTokenCharacter(char c) {
  return IsAlnum(c) || absl::string_view("!#$%&'*+-.^_`|~").find(c) != absl::string_view::npos;
}

// RFC 9110 8.3.1: type/subtype, and perhaps parameters.
absl::Status CheckMediaType(absl::string_view text) {
  const absl::string_view type = absl::StripAsciiWhitespace(text.substr(0, text.find(';')));
  const std::size_t slash = type.find('/');
  const bool whole = slash != type.npos && slash > 0 && slash + 1 < type.size();
  if (whole && text.size() <= 256 && All(type.substr(0, slash), IsTokenCharacter) &&
      All(type.substr(slash + 1), IsTokenCharacter) && All(text, [](char c) { return IsVisible(c) || c == ' '; })) {
    return absl::OkStatus();
  }
  return Refuse(absl::StrCat(Shown(text), " is not a media type; write type/subtype, as in \"application/json\""));
}

struct Form {
  absl::string_view name;
  absl::Status (*check)(absl::string_view);
};

constexpr std::array<Form, 8> kForms = {{
    {"name", CheckName},
    {"url", [](absl::string_view url) { return ParseUrl(url).status(); }},
    {"credential", CheckCredential},
    {"model", CheckModel},
    {"header", CheckMetadataKey},
    {"proxy_url", CheckProxy},
    {"path", CheckPath},
    {"media_type", CheckMediaType},
}};

template <std::size_t N>
bool IsOneOf(absl::string_view name, const std::array<absl::string_view, N>& names) {
  return std::any_of(names.begin(), names.end(), [&](absl::string_view known) {
    return absl::EqualsIgnoreCase(name, known);
  });
}

}  // namespace

absl::StatusOr<UrlParts> ParseUrl(absl::string_view url) {
  const auto refuse = [&](absl::string_view why) {
    return Refuse(absl::StrCat(ShownUrl(url), " ", why));
  };
  if (url.size() > 2048) return refuse("is too long for a url; 2048 bytes are accepted");
  UrlParts out;
  const std::size_t scheme = url.find("://");
  if (scheme != url.npos) out.scheme = absl::AsciiStrToLower(url.substr(0, scheme));
  if (out.scheme != "http" && out.scheme != "https") {
    return refuse("is not a url; write http://host/… or https://host/…");
  }
  if (!All(url, IsVisible)) return refuse("has a space or a character that is not ASCII");
  const absl::string_view rest = url.substr(scheme + 3);
  if (rest.find_first_of("?#") != rest.npos) return refuse("has a query or a fragment; leave it out");
  const std::size_t slash = rest.find('/');
  const absl::string_view authority = rest.substr(0, slash);
  if (absl::StrContains(authority, "@")) {
    return refuse("has a user or password; write the secret's name in credential");
  }
  out.port = out.scheme == "https" ? 443 : 80;
  if (const std::string wrong = ParseAuthority(authority, &out); !wrong.empty()) return refuse(wrong);
  absl::string_view path = slash == rest.npos ? "" : rest.substr(slash);
  while (absl::EndsWith(path, "/")) path.remove_suffix(1);
  out.path = std::string(path);
  return out;
}

std::string HostPort(const UrlParts& url) {
  const bool ipv6 = absl::StrContains(url.host, ":");
  return absl::StrCat(ipv6 ? "[" : "", url.host, ipv6 ? "]" : "", ":", url.port);
}

absl::Status CheckForm(absl::string_view form, absl::string_view value) {
  for (const Form& known : kForms) {
    if (known.name == form) return known.check(value);
  }
  GOOGLE_LOG(DFATAL) << "no such form: " << std::string(form);
  return absl::InternalError(absl::StrCat("no such form: ", form));
}

bool IsKnownForm(absl::string_view form) {
  return std::any_of(kForms.begin(), kForms.end(),
                     [&](const Form& known) { return known.name == form; });
}

absl::Status CheckHeaderName(absl::string_view name) {
  static constexpr std::array<absl::string_view, 7> kSecret = {
      "authorization", "proxy-authorization", "x-api-key", "api-key",
      "x-goog-api-key", "cookie", "x-auth-token"};
  static constexpr std::array<absl::string_view, 17> kOurs = {
      "host", "content-length", "content-type", "content-encoding", "transfer-encoding",
      "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "accept",
      "accept-encoding", "proxy-connection", "idempotency-key", "traceparent", "tracestate"};
  if (name.empty() || name.size() > 256 || !All(name, IsTokenCharacter)) {
    return Refuse(absl::StrCat(Shown(name), " is not the name of a header"));
  }
  if (IsOneOf(name, kSecret)) {
    return Refuse(absl::StrCat(Shown(name),
                               " carries a secret; name the secret in credential instead"));
  }
  if (IsOneOf(name, kOurs)) {
    return Refuse(absl::StrCat(Shown(name), " is set by Sluice itself; leave it out"));
  }
  return absl::OkStatus();
}

absl::Status CheckMetadataKey(absl::string_view key) {
  static constexpr std::array<absl::string_view, 8> kReserved = {
      "te", "content-type", "user-agent", "host", "connection", "authorization", "cookie",
      "proxy-authorization"};
  const auto inner = [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (key.empty() || key.size() > 256 || !All(key, inner)) {
    return Refuse(absl::StrCat(Shown(key),
                               " is not a metadata key; use a-z, 0-9, '.', '_' and '-'"));
  }
  if (absl::StartsWith(key, "grpc-") || IsOneOf(key, kReserved)) {
    return Refuse(absl::StrCat(Shown(key), " is reserved; callers cannot route by it"));
  }
  if (absl::EndsWith(key, "-bin")) {
    return Refuse(absl::StrCat(Shown(key), " has a binary value, which a policy cannot state"));
  }
  return absl::OkStatus();
}

bool IsHeaderValue(absl::string_view value) {
  return All(value, [](char c) { return IsVisible(c) || c == ' '; });
}

}  // namespace sluice

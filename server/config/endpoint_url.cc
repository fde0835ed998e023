#include "server/config/endpoint_url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

absl::Status Wrong(std::string_view url, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", std::string(url), "\": ", std::string(what)));
}

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

bool IsNameOrIpv4(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

bool IsIpv6(std::string_view host) {
  return host.find(':') != std::string_view::npos && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isxdigit(c) || c == ':' || c == '.';
  });
}

// Bytes that can stand in a request line as they are.
bool IsPath(std::string_view path) {
  return std::all_of(path.begin(), path.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

bool TakeScheme(std::string_view& rest, EndpointUrl& out) {
  if (ConsumePrefix(&rest, "https://")) {
    out.tls = true;
    out.port = 443;
    return true;
  }
  out.port = 80;
  return ConsumePrefix(&rest, "http://");
}

// "host", "host:port", "[v6]:port".
absl::Status ReadAuthority(std::string_view url, std::string_view authority, EndpointUrl& out) {
  std::string_view port;
  const bool bracket = authority.starts_with('[');
  const size_t host_end = bracket ? authority.find(']') : authority.find(':');
  if (bracket && host_end == std::string_view::npos) return Wrong(url, "the bracket of the IPv6 address is not closed");
  const std::string_view host = bracket ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
  std::string_view after = host_end == std::string_view::npos ? "" : authority.substr(host_end + (bracket ? 1 : 0));
  if (!(bracket ? IsIpv6(host) : IsNameOrIpv4(host))) return Wrong(url, "no valid host; write https://host/path");
  out.host = absl::AsciiStrToLower(std::string(host));
  if (after.empty()) return absl::OkStatus();
  int number = 0;
  if (!ConsumePrefix(&after, ":") || !absl::SimpleAtoi(std::string(after), &number) || number < 1 || number > 65535) {
    return Wrong(url, "the port must be 1 to 65535");
  }
  out.port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

}  // namespace

std::string EndpointUrl::HostPort() const {
  return host.find(':') != std::string::npos ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<EndpointUrl> ParseEndpointUrl(std::string_view url) {
  EndpointUrl out;
  std::string_view rest = url;
  if (!TakeScheme(rest, out)) return Wrong(url, "must begin with http:// or https://");
  if (rest.find_first_of("?#") != std::string_view::npos) return Wrong(url, "must have no query and no fragment");
  const size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return Wrong("(not shown)", "must have no user; use `credential`");
  if (absl::Status status = ReadAuthority(url, authority, out); !status.ok()) return status;
  if (slash != std::string_view::npos) out.base_path = std::string(rest.substr(slash));
  while (out.base_path.ends_with('/')) out.base_path.pop_back();
  if (!IsPath(out.base_path)) return Wrong(url, "the path holds blanks or other bytes that must be escaped");
  return out;
}

}  // namespace sluice

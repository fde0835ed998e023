#include "server/upstream/request_head.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// What a byte may stand in.
enum CharClass : uint8_t { kToken = 1, kField = 2, kTarget = 4 };

constexpr uint8_t ClassesOf(unsigned char c) {
  const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  const bool mark = std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  const bool visible = c > 0x20 && c != 0x7f;  // and bytes above ASCII
  return (alnum || mark ? kToken : 0) | (visible || c == ' ' || c == '\t' ? kField : 0) | (visible ? kTarget : 0);
}

constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = ClassesOf(static_cast<unsigned char>(c));
  return classes;
}();

bool AllOf(std::string_view text, CharClass wanted) {
  uint8_t common = wanted;
  for (const char c : text) common &= kClasses[static_cast<unsigned char>(c)];
  return common != 0;
}

bool IsToken(std::string_view text) { return !text.empty() && AllOf(text, kToken); }

bool IsOurs(const std::string& name) {
  return absl::EqualsIgnoreCase(name, "host") || absl::EqualsIgnoreCase(name, "content-length") ||
         absl::EqualsIgnoreCase(name, "connection") || absl::EqualsIgnoreCase(name, "transfer-encoding");
}

void AppendHost(const HttpEndpoint& endpoint, std::string& head) {
  const bool renamed = endpoint.tls && !endpoint.server_name.empty();
  const std::string& name = renamed ? endpoint.server_name : endpoint.host;
  const bool bare = name.find(':') == std::string::npos;
  absl::StrAppend(&head, bare ? "" : "[", name, bare ? "" : "]");
  if (endpoint.port != (endpoint.tls ? 443 : 80)) absl::StrAppend(&head, ":", endpoint.port);
}

// What every request says of us, unless it says so itself. A request without a
// User-Agent is turned away by some providers' firewalls (Cloudflare's error
// 1010); one without Accept-Encoding may be answered in any coding (RFC 9110
// 12.5.3), and none is undone here.
constexpr std::pair<std::string_view, std::string_view> kAlways[] = {
    {"User-Agent", "sluice/" SLUICE_VERSION},
    {"Accept-Encoding", "identity"},
};

bool HasHeader(const HttpRequest& request, std::string_view name) {
  for (const auto& [known, value] : request.headers) {
    if (absl::EqualsIgnoreCase(known, absl::string_view(name.data(), name.size()))) return true;
  }
  return false;
}

bool HasBody(const HttpRequest& request) {
  return request.body != nullptr && !request.body->empty();
}

}  // namespace

std::string FindRequestError(const HttpRequest& request) {
  if (!IsToken(request.method)) return "the method is not an HTTP method";
  const std::string& base = request.endpoint->base_path;
  if (!(base.empty() ? request.path : base).starts_with('/')) return "the path does not begin with \"/\"";
  if (!AllOf(base, kTarget) || !AllOf(request.path, kTarget)) {
    return "the path holds a space or a control character";
  }
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name)) return "a header's name is not an HTTP token";
    if (IsOurs(name)) return "the header \"" + name + "\" is set by the transport";
    if (!AllOf(value, kField)) {
      return "the value of the header \"" + name + "\" holds a control character";
    }
  }
  return "";
}

std::string SerialiseRequestHead(const HttpRequest& request) {
  std::string head;
  head.reserve(512);
  head.append(request.method).append(" ").append(request.endpoint->base_path);
  head.append(request.path).append(" HTTP/1.1\r\nHost: ");
  AppendHost(*request.endpoint, head);
  for (const auto& [name, value] : request.headers) {
    head.append("\r\n").append(name).append(": ").append(value);
  }
  for (const auto& [name, value] : kAlways) {
    if (!HasHeader(request, name)) head.append("\r\n").append(name).append(": ").append(value);
  }
  if (HasBody(request) || request.method == "POST") {
    const size_t size = HasBody(request) ? request.body->size() : 0;
    absl::StrAppend(&head, "\r\nContent-Length: ", size);
  }
  return head.append("\r\n\r\n");
}

}  // namespace sluice

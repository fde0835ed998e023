#include "server/upstream/request_head.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "server/upstream/connect_error.h"

namespace sluice {
namespace {

bool IsTokenChar(unsigned char c) {
  return absl::ascii_isalnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

// Visible, tab and space, and bytes above ASCII.
bool IsFieldChar(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

bool IsTargetChar(unsigned char c) { return c > 0x20 && c != 0x7f; }

bool IsOurs(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  return lower == "host" || lower == "content-length" || lower == "connection" ||
         lower == "transfer-encoding";
}

std::string HostHeader(const HttpEndpoint& endpoint) {
  const bool renamed = endpoint.tls && !endpoint.server_name.empty();
  const std::string address =
      HostAndPort(renamed ? endpoint.server_name : endpoint.host, endpoint.port);
  const bool standard_port = endpoint.port == (endpoint.tls ? 443 : 80);
  return standard_port ? address.substr(0, address.rfind(':')) : address;
}

bool HasBody(const HttpRequest& request) {
  return request.body != nullptr && !request.body->empty();
}

}  // namespace

std::string FindRequestError(const HttpRequest& request) {
  if (!IsToken(request.method)) return "the method is not an HTTP method";
  const std::string target = request.endpoint->base_path + request.path;
  if (target.empty() || target[0] != '/') return "the path does not begin with \"/\"";
  if (!std::all_of(target.begin(), target.end(), IsTargetChar)) {
    return "the path holds a space or a control character";
  }
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name)) return "a header's name is not an HTTP token";
    if (IsOurs(name)) return "the header \"" + name + "\" is set by the transport";
    if (!std::all_of(value.begin(), value.end(), IsFieldChar)) {
      return "the value of the header \"" + name + "\" holds a control character";
    }
  }
  return "";
}

std::string SerialiseRequestHead(const HttpRequest& request) {
  std::string head;
  head.reserve(512);
  head.append(request.method).append(" ").append(request.endpoint->base_path);
  head.append(request.path).append(" HTTP/1.1\r\nHost: ").append(HostHeader(*request.endpoint));
  for (const auto& [name, value] : request.headers) {
    head.append("\r\n").append(name).append(": ").append(value);
  }
  if (HasBody(request) || request.method == "POST") {
    const size_t size = HasBody(request) ? request.body->size() : 0;
    head.append("\r\nContent-Length: ").append(std::to_string(size));
  }
  return head.append("\r\n\r\n");
}

}  // namespace sluice

#include "server/upstream/connect_error.h"

#include <curl/curl.h>

#include <cerrno>

#include "server/upstream/connection.h"

namespace sluice {
namespace {

// "a: b", or a alone.
std::string WithDetail(std::string text, std::string_view detail) {
  if (detail.empty()) return text;
  return text.append(": ").append(detail);
}

std::string DescribeCertificate(const HttpEndpoint& endpoint, const std::string& peer,
                                std::string_view detail) {
  if (detail.find("subject name") != std::string_view::npos ||
      detail.find("does not match") != std::string_view::npos) {
    const std::string& name = endpoint.server_name.empty() ? endpoint.host : endpoint.server_name;
    return "the certificate of " + peer + " is not for \"" + name + "\"";
  }
  constexpr std::string_view kPrefix = "SSL certificate problem: ";
  if (detail.substr(0, kPrefix.size()) == kPrefix) detail.remove_prefix(kPrefix.size());
  return WithDetail("the certificate of " + peer + " is not trusted", detail);
}

std::string DescribeSocket(const std::string& peer, int os_error, std::string_view detail) {
  if (os_error == ECONNREFUSED) return "connection refused by " + peer;
  if (os_error != 0) return "cannot connect to " + peer + ": " + DescribeErrno(os_error);
  return WithDetail("cannot connect to " + peer, detail);
}

}  // namespace

std::string DescribeConnectError(const HttpEndpoint& endpoint, int code, int os_error,
                                 std::string_view detail) {
  const std::string target = HostAndPort(endpoint.host, endpoint.port);
  const std::string proxy = ProxyAddress(endpoint.proxy);
  // Whom the socket is connected to.
  const std::string peer = proxy.empty() ? target : "proxy " + proxy;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return "the name \"" + endpoint.host + "\" cannot be resolved";
    case CURLE_COULDNT_RESOLVE_PROXY:
      return "the name of the proxy " + proxy + " cannot be resolved";
    case CURLE_COULDNT_CONNECT:
      return DescribeSocket(peer, os_error, detail);
    case CURLE_OPERATION_TIMEDOUT:
      return "connecting to " + peer + " took too long";
    case CURLE_PEER_FAILED_VERIFICATION:
      return DescribeCertificate(endpoint, target, detail);
    case CURLE_SSL_CACERT_BADFILE:
      return WithDetail("the system's authorities cannot be read", detail);
    case CURLE_SSL_CONNECT_ERROR:
      return WithDetail("the TLS handshake with " + target + " failed", detail);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (!proxy.empty()) return WithDetail(peer + " did not connect to " + target, detail);
      return WithDetail("the connection to " + target + " broke while being made", detail);
    default:
      return WithDetail("cannot connect to " + target,
                        detail.empty() ? curl_easy_strerror(static_cast<CURLcode>(code)) : detail);
  }
}

std::string HostAndPort(std::string_view host, uint16_t port) {
  std::string text;
  const bool v6 = host.find(':') != std::string_view::npos;
  if (v6) text += '[';
  text += host;
  if (v6) text += ']';
  return text.append(":").append(std::to_string(port));
}

std::string ProxyAddress(std::string_view proxy_url) {
  if (const size_t scheme = proxy_url.find("://"); scheme != std::string_view::npos) {
    proxy_url.remove_prefix(scheme + 3);
  }
  proxy_url = proxy_url.substr(0, proxy_url.find('/'));
  if (const size_t at = proxy_url.rfind('@'); at != std::string_view::npos) {
    proxy_url.remove_prefix(at + 1);
  }
  return std::string(proxy_url);
}

}  // namespace sluice

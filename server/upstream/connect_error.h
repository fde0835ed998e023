// Says why no connection came to be, so that an operator knows what to mend.
#ifndef SLUICE_SERVER_UPSTREAM_CONNECT_ERROR_H_
#define SLUICE_SERVER_UPSTREAM_CONNECT_ERROR_H_

#include <string>
#include <string_view>

#include "server/upstream/http_transport.h"

namespace sluice {

// `code` is a CURLcode, `os_error` an errno or 0, `detail` libcurl's own text.
std::string DescribeConnectError(const HttpEndpoint& endpoint, int code, int os_error,
                                 std::string_view detail);

// "host:port", IPv6 in brackets.
std::string HostAndPort(std::string_view host, uint16_t port);
// The proxy's "host:port", without the credentials that its URL may hold.
std::string ProxyAddress(std::string_view proxy_url);

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONNECT_ERROR_H_

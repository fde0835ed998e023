// An endpoint's url taken apart. Pure.
#ifndef SLUICE_SERVER_CONFIG_ENDPOINT_URL_H_
#define SLUICE_SERVER_CONFIG_ENDPOINT_URL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice {

struct EndpointUrl {
  bool tls = false;
  std::string host;  // lower case; IPv6 without brackets
  uint16_t port = 0;
  std::string base_path;  // "/v1", no slash at the end; may be empty

  // "api.openai.com:443", "[::1]:8080": names endpoints that have no name.
  std::string HostPort() const;
};

// "http" or "https", a host, perhaps a port and a path. INVALID_ARGUMENT says
// what would be right.
absl::StatusOr<EndpointUrl> ParseEndpointUrl(std::string_view url);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_ENDPOINT_URL_H_

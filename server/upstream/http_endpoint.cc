// What of an endpoint decides whether connections may be shared.
#include <string>

#include "server/upstream/http_transport.h"

namespace sluice {

std::string HttpEndpoint::PoolKey() const {
  // '\n' occurs in none of the parts.
  std::string key = tls ? "https" : "http";
  key.append("\n").append(host).append("\n").append(std::to_string(port));
  key.append("\n").append(proxy);
  if (tls) key.append("\n").append(ca_file).append("\n").append(server_name);
  return key;
}

}  // namespace sluice

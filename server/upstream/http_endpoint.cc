// What of an endpoint decides whether connections may be shared.
#include <string>

#include "proto/tls/pem.h"
#include "server/upstream/http_transport.h"

namespace sluice {

std::string HttpEndpoint::PoolKey() const {
  // '\n' occurs in none of the parts.
  std::string key = tls ? "https" : "http";
  key.append("\n").append(host).append("\n").append(std::to_string(port));
  key.append("\n").append(proxy);
  // By what they are and not where they stand: what was verified by those of a
  // file as it was is not used again once it changed.
  if (tls) key.append("\n").append(authorities ? authorities->digest() : "").append("\n").append(server_name);
  return key;
}

}  // namespace sluice

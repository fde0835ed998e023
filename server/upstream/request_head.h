// Request line and headers as bytes. Pure.
#ifndef SLUICE_SERVER_UPSTREAM_REQUEST_HEAD_H_
#define SLUICE_SERVER_UPSTREAM_REQUEST_HEAD_H_

#include <string>

#include "server/upstream/http_transport.h"

namespace sluice {

// Why the request must not be sent (a line break in a value would let its
// author write headers of his own); empty if it may. Shows no value.
std::string FindRequestError(const HttpRequest& request);

// Of a request without error. Says who asks and that no coding is undone here
// (User-Agent, Accept-Encoding), unless the request does.
std::string SerialiseRequestHead(const HttpRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_REQUEST_HEAD_H_

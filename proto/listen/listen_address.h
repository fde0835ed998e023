// Where a service listens: "127.0.0.1:8443", "[::1]:9464", "localhost:0". Both
// planes use it, for gRPC and for HTTP, so that one rule holds and one message
// says what is wrong. Called at the start; a host name is looked up, which may
// block.
#ifndef SLUICE_PROTO_LISTEN_LISTEN_ADDRESS_H_
#define SLUICE_PROTO_LISTEN_LISTEN_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice {

struct ListenAddress {
  // Without brackets: "::1". Never empty.
  std::string host;
  // 0: whatever is free.
  uint16_t port = 0;

  // As it was written, with brackets around an IPv6 address.
  std::string ToString() const;
};

// "HOST:PORT" or "[IPV6]:PORT". INVALID_ARGUMENT: "\"x\" is not HOST:PORT …".
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

// Whether only this machine can reach it: 127.0.0.0/8, ::1, or a name all of
// whose addresses are such.
bool IsLoopback(const ListenAddress& address);

// Sockets that listen, not blocking and closed on exec; the caller closes them.
// A name gets one for each of its addresses, all on one port; "0.0.0.0" and
// "::" listen on all addresses of their family, "::" on IPv4 too where the
// system has it so.
struct Listeners {
  std::vector<int> fds;
  uint16_t port = 0;
};

// UNAVAILABLE says what the system said: "cannot listen on 127.0.0.1:8443:
// Address already in use".
absl::StatusOr<Listeners> Listen(const ListenAddress& address, int backlog);

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_LISTEN_ADDRESS_H_

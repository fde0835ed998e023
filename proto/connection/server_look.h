// What listens at an address, seen without gRPC, which only ever says that it
// could not connect. Asked after a failure; blocks for a few seconds at most.
#ifndef SLUICE_PROTO_CONNECTION_SERVER_LOOK_H_
#define SLUICE_PROTO_CONNECTION_SERVER_LOOK_H_

#include <string>

#include "absl/time/time.h"

namespace sluice {

// What answers to the first bytes of HTTP/2 in plain text.
enum class PlainAnswer { kNobody, kNothing, kHttp2, kHttp1, kTls };
PlainAnswer LookInPlainText(const std::string& host, const std::string& port, absl::Duration patience);

struct TlsFiles {
  // Empty: the system's.
  std::string ca;
  // Both or none.
  std::string cert;
  std::string key;
};

struct TlsAnswer {
  // The handshake came to its end, whatever the certificate says.
  bool speaks_tls = false;
  // "" or why it cannot be trusted: "unable to get local issuer certificate".
  std::string distrust;
  // The certificate is trusted and not for this host; its names are below.
  bool wrong_name = false;
  std::string names;
  // It wants a certificate of ours and got none, or refused what it got.
  bool wants_certificate = false;
};
TlsAnswer LookWithTls(const std::string& host, const std::string& port, const TlsFiles& files, absl::Duration patience);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_SERVER_LOOK_H_

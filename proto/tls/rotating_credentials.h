// TLS of a gRPC server whose certificate changes while it runs. gRPC asks at the
// beginning of each handshake whether there is another set: what is published
// counts from the next handshake on, connections that are there go on as they
// are, and a set that gRPC cannot use leaves the one before.
//
// Not gRPC's watcher of files: it ends all handshakes over a certificate that is
// half written, and wants a folder on disk.
#ifndef SLUICE_PROTO_TLS_ROTATING_CREDENTIALS_H_
#define SLUICE_PROTO_TLS_ROTATING_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "proto/tls/tls_files.h"

struct grpc_server_credentials;

namespace sluice {

// The set in force, and what each port serves. Publish from any thread; gRPC
// asks on those that take connections.
//
// gRPC 1.51 replaces a port's certificate without a lock: the connections of one
// port must be handed to it by one thread at a time, as its own listeners and a
// single acceptor do.
class RotatingTls {
 public:
  RotatingTls(TlsTexts texts, bool asks_clients);
  ~RotatingTls();
  RotatingTls(const RotatingTls&) = delete;
  RotatingTls& operator=(const RotatingTls&) = delete;

  void Publish(TlsTexts texts);
  // For ServerBuilder. `this` outlives the server.
  std::shared_ptr<grpc::ServerCredentials> Credentials();

 private:
  friend class RotatingCredentials;
  // What the handshakes of one port use.
  struct Port {
    RotatingTls* tls;
    uint64_t served = 0;
  };

  grpc_server_credentials* NewPort();
  static grpc_ssl_certificate_config_reload_status Fetch(void* port, grpc_ssl_server_certificate_config** config);

  const bool asks_clients_;
  // Rises with each set; read without the mutex where nothing changed.
  std::atomic<uint64_t> generation_{1};
  std::mutex mutex_;
  TlsTexts texts_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Port>> ports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_ROTATING_CREDENTIALS_H_

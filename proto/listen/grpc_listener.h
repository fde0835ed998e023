// The port of a gRPC server, listened on by us (connection_acceptor.h says why).
// Both planes use it in place of ServerBuilder::AddListeningPort:
//
//   auto listener = GrpcListener::Listen(address, options, guard);
//   (*listener)->AddTo(builder, credentials);
//   server = builder.BuildAndStart();
//   (*listener)->Start();
//   …
//   (*listener)->Stop();   // before the server is told to shut down
#ifndef SLUICE_PROTO_LISTEN_GRPC_LISTENER_H_
#define SLUICE_PROTO_LISTEN_GRPC_LISTENER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "proto/listen/connection_acceptor.h"

namespace sluice {

class GrpcListener {
 public:
  // The port is taken from here on, connections wait. UNAVAILABLE says why it
  // cannot be. A second server on one port is refused. `guard` outlives it.
  static absl::StatusOr<std::unique_ptr<GrpcListener>> Listen(std::string_view address, const AcceptorOptions& options,
                                                              DescriptorGuard& guard);

  // `builder` builds a server whose connections come from here. What begins a
  // handshake must have ended it, preface and settings too, in `options.silent_timeout`.
  void AddTo(grpc::ServerBuilder& builder, std::shared_ptr<grpc::ServerCredentials> credentials);
  // After the server was built.
  void Start();
  // The port is closed; connections that were handed over go on. Before anything
  // that ends the server or its listeners, for those would be used still. Blocks
  // shortly; harmless when done before.
  void Stop() { acceptor_.Stop(); }

  int port() const { return acceptor_.port(); }

 private:
  GrpcListener(Listeners listeners, const AcceptorOptions& options, DescriptorGuard& guard)
      : options_(options), acceptor_(std::move(listeners), options, guard) {}

  const AcceptorOptions options_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  ConnectionAcceptor acceptor_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_GRPC_LISTENER_H_

#include "proto/listen/grpc_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sluice {
namespace {

// As many as may wait: the kernel takes less where net.core.somaxconn says so.
constexpr int kBacklog = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcListener>> GrpcListener::Listen(std::string_view address,
                                                                   const AcceptorOptions& options,
                                                                   DescriptorGuard& guard) {
  absl::StatusOr<ListenAddress> parsed = ParseListenAddress(address);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<Listeners> listeners = sluice::Listen(*parsed, kBacklog);
  if (!listeners.ok()) return listeners.status();
  std::unique_ptr<GrpcListener> listener(new GrpcListener(*std::move(listeners), options, guard));
  if (!listener->acceptor_.usable()) return absl::ResourceExhaustedError("no file descriptor is left to listen with");
  return listener;
}

void GrpcListener::AddTo(grpc::ServerBuilder& builder, std::shared_ptr<grpc::ServerCredentials> credentials) {
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options_.silent_timeout)));
  server_ = builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, std::move(credentials));
}

void GrpcListener::Start() {
  acceptor_.Start([this](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    server_->HandleNewConnection(&connection);
  });
}

}  // namespace sluice

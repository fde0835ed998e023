#include "controlplane/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/store/sqlite_store.h"
#include "grpcpp/grpcpp.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

// "host" and "port"; "[::1]:80" has brackets.
bool SplitAddress(const std::string& address, std::string& host, std::string& port) {
  size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) return false;
  host = address.substr(0, colon);
  port = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return true;
}

// Neither gRPC nor the HTTP server say why they could not listen: a bind of our
// own does.
std::string WhyNotListening(const std::string& address) {
  std::string host, port;
  if (!SplitAddress(address, host, port)) return "must be HOST:PORT";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) return gai_strerror(code);
  int fd = socket(found->ai_family, SOCK_STREAM, 0);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bool bound = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
  std::string why = bound ? "refused" : std::strerror(errno);
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return why;
}

absl::StatusOr<std::string> ReadFile(const char* flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": cannot be read or is empty"));
  }
  return text.str();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(const Options& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  absl::StatusOr<std::string> cert = ReadFile("--tls-cert", options.tls_cert);
  if (!cert.ok()) return cert.status();
  absl::StatusOr<std::string> key = ReadFile("--tls-key", options.tls_key);
  if (!key.ok()) return key.status();
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({*key, *cert});
  if (!options.tls_client_ca.empty()) {
    absl::StatusOr<std::string> ca = ReadFile("--tls-client-ca", options.tls_client_ca);
    if (!ca.ok()) return ca.status();
    ssl.pem_root_certs = *ca;
    ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(ssl);
}

void SetChannelArguments(const Options& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.max_request_bytes);
  // Else a second control plane could share the port, and callers would meet
  // one or the other.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Half-open connections are found out within 40 s; clients may do the same,
  // and ping without calls, without being told off.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
}

std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

ControlPlaneServer::ControlPlaneServer(const Options& options)
    : options_(options), metrics_(std::make_shared<ControlPlaneMetrics>(SLUICE_VERSION)) {}

absl::StatusOr<std::unique_ptr<ControlPlaneServer>> ControlPlaneServer::Start(const Options& options) {
  std::unique_ptr<ControlPlaneServer> server(new ControlPlaneServer(options));
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(options.store, options.store_limits, options.store_creation);
  if (!store.ok()) return store.status();
  server->store_ = *std::move(store);
  if (absl::Status status = server->StartPush(); !status.ok()) return status;
  if (absl::Status status = server->StartMetrics(); !status.ok()) return status;
  if (absl::Status status = server->StartGrpc(); !status.ok()) return status;
  return server;
}

absl::Status ControlPlaneServer::StartPush() {
  PushHub::Options options;
  options.settings = options_.push;
  options.clock = [] { return absl::Now(); };
  options.observer = metrics_.get();
  options.wake = [this] { timer_.Wake(); };
  options.seed = std::random_device()();
  hub_ = std::make_unique<PushHub>(std::move(options));
  absl::StatusOr<std::unique_ptr<StoreWatch>> watch = hub_->Follow(*store_);
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  timer_.Start([this] { return hub_->Tick(); });
  metrics_->SetLive({[this] { return static_cast<double>(hub_->revision()); },
                     [this] { return hub_->CountByState(); }});
  return absl::OkStatus();
}

absl::Status ControlPlaneServer::StartMetrics() {
  std::string host, port;
  if (!SplitAddress(options_.metrics_listen, host, port)) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics-listen ", options_.metrics_listen, ": must be HOST:PORT"));
  }
  try {
    metrics_server_ = std::make_unique<ControlPlaneMetricsServer>(options_.metrics_listen, host);
  } catch (const std::exception&) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.metrics_listen, " for metrics: ",
                                               WhyNotListening(options_.metrics_listen)));
  }
  metrics_server_->Register(metrics_);
  metrics_address_ = WithPort(options_.metrics_listen, metrics_server_->port());
  return absl::OkStatus();
}

absl::Status ControlPlaneServer::StartGrpc() {
  absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials = Credentials(options_);
  if (!credentials.ok()) return credentials.status();
  admin_ = std::make_unique<AdminService>(*store_, *hub_, metrics_.get(), options_.editor_limits,
                                          ProgramInfo{SLUICE_VERSION, absl::Now()});
  push_ = std::make_unique<PushService>(*hub_);
  reflection_ = std::make_unique<ServerReflection>(std::vector<std::string>{
      v1::Admin::service_full_name(), v1::Push::service_full_name(), "grpc.health.v1.Health"});
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetChannelArguments(options_, builder);
  int port = 0;
  builder.AddListeningPort(options_.listen, *credentials, &port);
  builder.RegisterService(admin_.get());
  builder.RegisterService(push_.get());
  reflection_->AddTo(builder);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    std::string why = WhyNotListening(options_.listen);
    if (why == "refused" && !options_.tls_cert.empty()) why = "the TLS certificate or key was not accepted";
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.listen, ": ", why));
  }
  address_ = WithPort(options_.listen, port);
  return absl::OkStatus();
}

void ControlPlaneServer::Stop() {
  if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(false);
  hub_->Drain(options_.shutdown_grace);
  absl::Time deadline = absl::Now() + options_.shutdown_grace;
  while (hub_->CountStreams() > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(20));
  hub_->EndAll();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
  server_->Wait();
  timer_.Stop();
  metrics_server_.reset();
  watch_.reset();
}

}  // namespace sluice

#include "controlplane/server.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/store/sqlite_store.h"
#include "grpcpp/grpcpp.h"
#include "proto/listen/listen_address.h"
#include "proto/log/log_collector.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

// Standard streams, the store with its journal, gRPC's pollers, listeners, threads
// that wait for one another.
constexpr int64_t kOwnDescriptors = 40;
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);

void SetChannelArguments(const Options& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.max_request_bytes);
  // Half-open connections are found out within 40 s; clients may do the same,
  // and ping without calls, without being told off.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  const auto timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, timeout_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
}

std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

}  // namespace

ControlPlaneServer::ControlPlaneServer(const Options& options, LineWriter& log)
    : options_(options), log_(log), metrics_(std::make_shared<ControlPlaneMetrics>(SLUICE_VERSION)) {}

absl::StatusOr<std::unique_ptr<ControlPlaneServer>> ControlPlaneServer::Start(const Options& options,
                                                                               LineWriter& log) {
  std::unique_ptr<ControlPlaneServer> server(new ControlPlaneServer(options, log));
  if (absl::Status status = server->ShareDescriptors(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(options.store, options.store_limits, options.store_creation);
  if (!store.ok()) return store.status();
  server->store_ = *std::move(store);
  if (absl::Status status = server->StartPush(); !status.ok()) return status;
  if (absl::Status status = server->StartMetrics(); !status.ok()) return status;
  if (absl::Status status = server->StartTls(); !status.ok()) return status;
  if (absl::Status status = server->StartGrpc(); !status.ok()) return status;
  server->serving_ = true;
  spdlog::info("{}", server->descriptors_->budget().ToString());
  server->WarnOfStrangers();
  return server;
}

absl::Status ControlPlaneServer::ShareDescriptors() {
  DescriptorNeeds needs;
  needs.own = kOwnDescriptors;
  needs.callers = options_.max_connections;
  needs.upstreams = false;
  absl::StatusOr<DescriptorBudget> budget = SplitDescriptors(RaiseDescriptorLimit(), needs);
  if (!budget.ok()) return budget.status();
  descriptors_ = std::make_shared<DescriptorGuard>(*budget, [](const std::string& line) { spdlog::warn("{}", line); });
  return absl::OkStatus();
}

std::string ControlPlaneServer::WhyNotReady() const {
  if (stopping_) return "stopping: the control plane was asked to stop";
  if (!serving_) return "starting";
  return metrics_->StoreTrouble(absl::Now());
}

// Whoever reaches the port may change all policies.
void ControlPlaneServer::WarnOfStrangers() const {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(options_.listen);
  if (tls_ != nullptr || !address.ok() || IsLoopback(*address)) return;
  spdlog::warn("--listen {}: others than this machine can change policies here, without TLS; give --tls-cert, --tls-key "
               "and --tls-client-ca, or listen on 127.0.0.1", options_.listen);
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
  auto server = MetricsServer::Start(options_.metrics_listen);
  if (!server.ok()) return server.status();
  metrics_server_ = *std::move(server);
  metrics_server_->SetReadiness([this] { return WhyNotReady(); });
  metrics_server_->Register(metrics_);
  metrics_server_->Register(std::make_shared<LogCollector>(
      "sluice_controlplane", std::vector<LineSort>{LineSort::kProgram}, [this] { return log_.figures(); }));
  descriptor_metrics_ = std::make_shared<DescriptorCollector>(descriptors_);
  metrics_server_->Register(descriptor_metrics_);
  metrics_address_ = WithPort(options_.metrics_listen, metrics_server_->port());
  return absl::OkStatus();
}

absl::Status ControlPlaneServer::StartTls() {
  if (!options_.tls.files.cert.given()) return absl::OkStatus();
  auto tls = TlsRenewal::Start(options_.tls);
  if (!tls.ok()) return tls.status();
  tls_ = *std::move(tls);
  renewals_ = std::make_shared<RenewalCollector>([this] { return std::vector<RenewalFigures>{tls_->figures()}; });
  metrics_server_->Register(renewals_);
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> ControlPlaneServer::Credentials() {
  return tls_ == nullptr ? grpc::InsecureServerCredentials() : tls_->Credentials();
}

void ControlPlaneServer::Reload() {
  if (tls_ != nullptr) tls_->Reload();
}

absl::Status ControlPlaneServer::StartGrpc() {
  admin_ = std::make_unique<AdminService>(*store_, *hub_, metrics_.get(), options_.editor_limits,
                                          ProgramInfo{SLUICE_VERSION, absl::Now()});
  push_ = std::make_unique<PushService>(*hub_);
  reflection_ = std::make_unique<ServerReflection>(std::vector<std::string>{
      v1::Admin::service_full_name(), v1::Push::service_full_name(), "grpc.health.v1.Health"});
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetChannelArguments(options_, builder);
  const AcceptorOptions accepting{.silent_timeout = options_.handshake_timeout, .user_timeout = kKeepaliveTimeout};
  auto listener = GrpcListener::Listen(options_.listen, accepting, *descriptors_);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  listener_->AddTo(builder, Credentials());
  builder.RegisterService(admin_.get());
  builder.RegisterService(push_.get());
  reflection_->AddTo(builder);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::UnavailableError(absl::StrCat("cannot serve on ", options_.listen));
  listener_->Start();
  address_ = WithPort(options_.listen, listener_->port());
  return absl::OkStatus();
}

void ControlPlaneServer::Stop() {
  stopping_ = true;
  if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(false);
  hub_->Drain(options_.shutdown_grace);
  absl::Time deadline = absl::Now() + options_.shutdown_grace;
  while (hub_->CountStreams() > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(20));
  hub_->EndAll();
  listener_->Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
  server_->Wait();
  timer_.Stop();
  metrics_server_.reset();
  watch_.reset();
}

}  // namespace sluice

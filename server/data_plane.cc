#include "server/data_plane.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "proto/listen/descriptor_collector.h"
#include "proto/listen/descriptor_guard.h"
#include "proto/listen/listen_address.h"
#include "proto/log/log_collector.h"
#include "proto/metrics_server/metrics_server.h"
#include "proto/tls/renewal_collector.h"
#include "server/command/node_commands.h"
#include "server/command/table_breakers.h"
#include "server/config/config_manager.h"
#include "server/config/credential_alarm.h"
#include "server/loop_room.h"
#include "server/service/gateway_face.h"
#include "server/telemetry/call_metrics.h"
#include "server/telemetry/collectors.h"
#include "server/telemetry/engine_figures.h"
#include "server/telemetry/kept_series.h"
#include "server/telemetry/node_figures.h"
#include "server/telemetry/observer_fan_out.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

// Beside callers and upstream connections, for the size of the table.
constexpr int64_t kOtherDescriptors = 1024;
// Of each metric of calls; more are counted under "other".
constexpr size_t kMaxSeries = 2000;

// Streams, queues, gRPC's poller, listeners, the control plane's connection, policy
// files and their watch, names that are looked up; each loop has two.
constexpr int64_t kOwnDescriptors = 36;
constexpr int64_t kDescriptorsPerLoop = 2;

// Asked by the config worker, not by a loop: a loop's time stands still while
// it sleeps.
TimePoint SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

size_t LoopCount(int asked) {
  return asked > 0 ? static_cast<size_t>(asked) : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

class DataPlane::Impl {
 public:
  Impl(ServerOptions options, LineWriter& log) : options_(std::move(options)), log_(log) {}
  ~Impl() { Stop(); }

  absl::Status Start();
  void Reload();
  void Stop();

  const ServerOptions& options() const { return options_; }
  int port() const { return face_->port(); }
  int metrics_port() const { return metrics_server_->port(); }
  void StopServing();

 private:
  absl::Status ShareDescriptors();
  void WarnOfStrangers() const;
  // For /readyz; the metrics server's thread.
  std::string WhyNotReady() const;
  void MakeLoops();
  absl::Status StartConfig();
  void RegisterMetrics();
  v1::NodeHealth Health();
  std::vector<ConnectionFigures> Connections() const;
  ResilienceFigures Resilience();
  NamesInForce Names();
  std::vector<RenewalFigures> Renewals() const;

  ServerOptions options_;
  LineWriter& log_;
  std::shared_ptr<DescriptorGuard> descriptors_;
  const SeriesKeeping keeping_{options_.keep_series, [this] { return Names(); }};
  std::shared_ptr<CallMetricsCollector> call_metrics_ =
      std::make_shared<CallMetricsCollector>(kMaxSeries, keeping_);
  // The scrape's thread only: the table in force, and its names.
  std::weak_ptr<const RouteTable> named_;
  std::shared_ptr<const PolicyNames> names_;
  AttemptLog call_log_{options_.call_log, log_};
  LiveCounters live_;
  // Calls come only once the configuration is there.
  CredentialAlarm alarm_{[this](std::string_view credential) { config_->CredentialRefused(credential); }};
  std::vector<std::unique_ptr<ObserverFanOut>> observers_;  // one a loop
  TableBreakers breakers_{[this] { return config_->tables().Current(); }};
  // Config worker only.
  NodeCommands commands_{{.breakers = breakers_,
                          .live = live_,
                          .table = [this] { return config_->tables().Current(); },
                          .status = [this] { return config_->status(); },
                          .clock = [] { return Moment{SteadyNow(), absl::Now()}; },
                          .policies = [this](uint64_t offset) { return config_->PoliciesPiece(offset); },
                          .check = [this](const v1::PolicyCheckQuery& query) { return config_->Check(query); }}};
  NodeFiguresSampler sampler_;  // config worker only
  std::shared_ptr<PoolRegistry> pools_;  // after descriptors_
  std::vector<std::unique_ptr<LoopRoom>> rooms_;
  std::unique_ptr<TlsRenewal> tls_;  // outlives the face
  std::unique_ptr<GatewayFace> face_;
  std::unique_ptr<ConfigManager> config_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<MetricsServer> metrics_server_;
};

absl::Status DataPlane::Impl::Start() {
  if (absl::Status shared = ShareDescriptors(); !shared.ok()) return shared;
  auto metrics = MetricsServer::Start(options_.metrics_listen);
  if (!metrics.ok()) return metrics.status();
  metrics_server_ = std::move(*metrics);
  metrics_server_->SetReadiness([this] { return WhyNotReady(); });
  for (const std::string& note : options_.notes) spdlog::warn("{}", note);
  if (options_.tls.files.cert.given()) {
    auto tls = TlsRenewal::Start(options_.tls);
    if (!tls.ok()) return tls.status();
    tls_ = std::move(*tls);
    options_.face.tls = tls_.get();
  }
  MakeLoops();
  absl::Status started = StartConfig();
  if (!started.ok()) return started;
  RegisterMetrics();
  rooms_.front()->CheckHealth(options_.health);
  for (auto& room : rooms_) room->FollowRevisions(config_->tables());
  absl::Status serving = face_->Serve(config_->tables());
  if (!serving.ok()) return serving;
  serving_ = true;
  spdlog::info("{}", descriptors_->budget().ToString());
  WarnOfStrangers();
  return absl::OkStatus();
}

// Callers are not authenticated, and what they send can be read on its way.
void DataPlane::Impl::WarnOfStrangers() const {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(options_.face.listen);
  if (tls_ != nullptr || !address.ok() || IsLoopback(*address)) return;
  spdlog::warn("--listen {}: others than this machine can call here, without TLS; give --tls-cert and --tls-key, or "
               "listen on 127.0.0.1", options_.face.listen);
}

std::string DataPlane::Impl::WhyNotReady() const {
  if (stopping_) return "draining: the data plane was asked to stop";
  if (!serving_) return "starting";
  return config_->tables().Current() == nullptr ? "no policies are in force yet" : "";
}

void DataPlane::Impl::StopServing() {
  stopping_ = true;
  face_->StopServing();
}

absl::Status DataPlane::Impl::ShareDescriptors() {
  const int64_t limit = RaiseDescriptorLimit();
  // A caller's connection and an upstream's for each call, at most.
  GrowDescriptorTable(2 * options_.face.max_concurrent_calls + kOtherDescriptors);
  DescriptorNeeds needs;
  needs.own = kOwnDescriptors + kDescriptorsPerLoop * static_cast<int64_t>(LoopCount(options_.loops));
  needs.callers = options_.max_connections;
  absl::StatusOr<DescriptorBudget> budget = SplitDescriptors(limit, needs);
  if (!budget.ok()) return budget.status();
  descriptors_ = std::make_shared<DescriptorGuard>(*budget, [](const std::string& line) { spdlog::warn("{}", line); });
  options_.face.descriptors = descriptors_;
  pools_ = std::make_shared<PoolRegistry>(descriptors_);
  return absl::OkStatus();
}

void DataPlane::Impl::MakeLoops() {
  std::random_device entropy;
  std::vector<FaceLoopParams> params;
  for (size_t i = 0; i < LoopCount(options_.loops); ++i) {
    uint64_t seed = (uint64_t{entropy()} << 32) | entropy();
    observers_.push_back(std::make_unique<ObserverFanOut>(
        std::vector<CallObserver*>{&call_metrics_->AddLoop(), &call_log_.AddLoop(), &live_.AddLoop(), &alarm_}));
    rooms_.push_back(std::make_unique<LoopRoom>(static_cast<int>(i), seed, *observers_.back(), pools_));
    params.push_back(rooms_.back()->FaceParams());
  }
  for (auto& room : rooms_) room->Start();
  face_ = std::make_unique<GatewayFace>(options_.face, std::move(params));
}

absl::Status DataPlane::Impl::StartConfig() {
  ConfigOptions config = options_.config;
  config.health = [this] { return Health(); };
  config.subscription.on_query = [this](const v1::Query& query) { return commands_.Answer(query); };
  config.subscription.on_command = [this](const v1::NodeCommand& command) { return commands_.Answer(command); };
  config_ = std::make_unique<ConfigManager>(std::move(config), face_->shared_queue());
  absl::Status started = config_->Start();
  if (started.ok() || config_->errors().empty()) return started;
  return absl::InvalidArgumentError(absl::StrJoin(config_->errors(), "\n"));
}

void DataPlane::Impl::RegisterMetrics() {
  metrics_server_->Register(call_metrics_);
  metrics_server_->Register(std::make_shared<DescriptorCollector>(descriptors_));
  metrics_server_->Register(std::make_shared<ConfigCollector>([this] { return config_->status(); }));
  metrics_server_->Register(std::make_shared<KeptSeries>(
      std::make_shared<ConnectionCollector>([this] { return Connections(); }), keeping_));
  metrics_server_->Register(std::make_shared<KeptSeries>(
      std::make_shared<ResilienceCollector>([this] { return Resilience(); }), keeping_));
  metrics_server_->Register(std::make_shared<LogCollector>(
      "sluice", std::vector<LineSort>{LineSort::kProgram, LineSort::kCalls}, [this] { return log_.figures(); }));
  metrics_server_->Register(std::make_shared<RenewalCollector>([this] { return Renewals(); }));
  metrics_server_->Register(std::make_shared<ProcessCollector>(options_.config.subscription.version));
}

v1::NodeHealth DataPlane::Impl::Health() {
  NodeFigures figures = sampler_.Sample(SteadyNow(), call_metrics_->Totals());
  v1::NodeHealth health;
  health.set_open_calls(figures.open_calls);
  health.set_calls_per_second(figures.calls_per_second);
  health.set_errors_per_minute(figures.errors_per_minute);
  for (std::string& line : descriptors_->Shortages()) health.add_shortages(std::move(line));
  return health;
}

std::vector<ConnectionFigures> DataPlane::Impl::Connections() const {
  std::vector<ConnectionFigures> figures;
  for (const auto& room : rooms_) {
    for (PoolStats& pool : room->ConnectionStats()) {
      figures.push_back({std::move(pool.endpoint), static_cast<int64_t>(pool.open), static_cast<int64_t>(pool.idle),
                         pool.connects, pool.reuses});
    }
  }
  return figures;
}

ResilienceFigures DataPlane::Impl::Resilience() {
  const auto table = config_->tables().Current();
  ResilienceFigures figures;
  if (table != nullptr) figures = FiguresOf(*table, SteadyNow());
  const FaceFigures face = face_->figures();
  const IdempotencyFigures& keys = face.idempotency;
  figures.idempotency = {static_cast<size_t>(keys.entries), static_cast<size_t>(keys.bytes), keys.joins, keys.replays,
                         keys.conflicts, keys.not_kept, keys.evictions};
  figures.load = {static_cast<size_t>(face.request_bytes), face.shed.concurrency, face.shed.memory, face.shed.lag};
  return figures;
}

NamesInForce DataPlane::Impl::Names() {
  const auto table = config_->tables().Current();
  if (table != named_.lock()) {
    names_ = std::make_shared<const PolicyNames>(NamesOf(*table));
    named_ = table;
  }
  return {names_, config_->status().applied_at};
}

std::vector<RenewalFigures> DataPlane::Impl::Renewals() const {
  std::vector<RenewalFigures> all = config_->renewals();
  if (tls_ != nullptr) all.push_back(tls_->figures());
  return all;
}

void DataPlane::Impl::Reload() {
  if (tls_ != nullptr) tls_->Reload();
  config_->Reload();
}

// Callers first, then what serves them. Health updates and scrapes go on until
// the last call has ended.
void DataPlane::Impl::Stop() {
  stopping_ = true;
  if (face_) face_->Drain();
  if (config_) config_->Stop();
  if (face_) face_->Close();
  metrics_server_.reset();
  for (auto& room : rooms_) room->Stop();
}

DataPlane::DataPlane(ServerOptions options, LineWriter& log)
    : impl_(std::make_unique<Impl>(std::move(options), log)) {}
DataPlane::~DataPlane() = default;
absl::Status DataPlane::Start() { return impl_->Start(); }
std::string DataPlane::address() const { return WithPort(impl_->options().face.listen, impl_->port()); }
std::string DataPlane::metrics_address() const {
  return WithPort(impl_->options().metrics_listen, impl_->metrics_port());
}
void DataPlane::Reload() { impl_->Reload(); }
void DataPlane::StopServing() { impl_->StopServing(); }
void DataPlane::Stop() { impl_->Stop(); }

}  // namespace sluice

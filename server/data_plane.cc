#include "server/data_plane.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "server/command/node_commands.h"
#include "server/command/table_breakers.h"
#include "server/config/config_manager.h"
#include "server/loop_room.h"
#include "server/service/gateway_face.h"
#include "server/telemetry/call_metrics.h"
#include "server/telemetry/collectors.h"
#include "server/telemetry/engine_figures.h"
#include "server/telemetry/metrics_server.h"
#include "server/telemetry/node_figures.h"
#include "server/telemetry/observer_fan_out.h"

namespace sluice {
namespace {

// Listeners, logs, files, the control plane, health checks, idle connections.
constexpr int64_t kOtherDescriptors = 1024;

// Every call holds a descriptor or two: the usual soft limit of 1,024 is for
// programs that use select().
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The kernel's table of descriptors doubles as it fills. In a process with
// threads each doubling waits for an RCU grace period, 10 to 20 ms in which the
// loop that opened a socket stands still. So it gets its size before there are
// calls; 8 bytes a descriptor.
void GrowDescriptorTable(int64_t descriptors) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto last = static_cast<int>(std::min<int64_t>(descriptors, static_cast<int64_t>(limit.rlim_cur)) - 1);
  const int high = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last);
  if (high >= 0) close(high);
}

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
  explicit Impl(ServerOptions options) : options_(std::move(options)) {}
  ~Impl() { Stop(); }

  absl::Status Start();
  void Stop();

  const ServerOptions& options() const { return options_; }
  int port() const { return face_->port(); }
  int metrics_port() const { return metrics_server_->port(); }
  ConfigManager& config() { return *config_; }
  GatewayFace& face() { return *face_; }

 private:
  void MakeLoops();
  absl::Status StartConfig();
  void RegisterMetrics();
  v1::NodeHealth Health();
  std::vector<ConnectionFigures> Connections() const;
  ResilienceFigures Resilience();

  ServerOptions options_;
  std::shared_ptr<CallMetricsCollector> call_metrics_ = std::make_shared<CallMetricsCollector>();
  AttemptLog call_log_{options_.call_log, WriteLinesToStderr};
  LiveCounters live_;
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
  std::shared_ptr<PoolRegistry> pools_ = std::make_shared<PoolRegistry>();
  std::vector<std::unique_ptr<LoopRoom>> rooms_;
  std::unique_ptr<GatewayFace> face_;
  std::unique_ptr<ConfigManager> config_;
  std::unique_ptr<MetricsServer> metrics_server_;
};

absl::Status DataPlane::Impl::Start() {
  RaiseDescriptorLimit();
  // A caller's connection and an upstream's for each call, at most.
  GrowDescriptorTable(2 * options_.face.max_concurrent_calls + kOtherDescriptors);
  auto metrics = MetricsServer::Start(options_.metrics_listen);
  if (!metrics.ok()) return metrics.status();
  metrics_server_ = std::move(*metrics);
  MakeLoops();
  absl::Status started = StartConfig();
  if (!started.ok()) return started;
  RegisterMetrics();
  rooms_.front()->CheckHealth(options_.health);
  for (auto& room : rooms_) room->FollowRevisions(config_->tables());
  return face_->Serve(config_->tables());
}

void DataPlane::Impl::MakeLoops() {
  std::random_device entropy;
  std::vector<FaceLoopParams> params;
  for (size_t i = 0; i < LoopCount(options_.loops); ++i) {
    uint64_t seed = (uint64_t{entropy()} << 32) | entropy();
    observers_.push_back(std::make_unique<ObserverFanOut>(
        std::vector<CallObserver*>{&call_metrics_->AddLoop(), &call_log_.AddLoop(), &live_.AddLoop()}));
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
  metrics_server_->Register(std::make_shared<ConfigCollector>([this] { return config_->status(); }));
  metrics_server_->Register(std::make_shared<ConnectionCollector>([this] { return Connections(); }));
  metrics_server_->Register(std::make_shared<ResilienceCollector>([this] { return Resilience(); }));
  metrics_server_->Register(std::make_shared<LogCollector>([this] { return call_log_.figures(); }));
  metrics_server_->Register(std::make_shared<ProcessCollector>(options_.config.subscription.version));
}

v1::NodeHealth DataPlane::Impl::Health() {
  NodeFigures figures = sampler_.Sample(SteadyNow(), call_metrics_->Totals());
  v1::NodeHealth health;
  health.set_open_calls(figures.open_calls);
  health.set_calls_per_second(figures.calls_per_second);
  health.set_errors_per_minute(figures.errors_per_minute);
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

// Callers first, then what serves them. Health updates and scrapes go on until
// the last call has ended.
void DataPlane::Impl::Stop() {
  if (face_) face_->Drain();
  if (config_) config_->Stop();
  if (face_) face_->Close();
  metrics_server_.reset();
  for (auto& room : rooms_) room->Stop();
}

DataPlane::DataPlane(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
DataPlane::~DataPlane() = default;
absl::Status DataPlane::Start() { return impl_->Start(); }
std::string DataPlane::address() const { return WithPort(impl_->options().face.listen, impl_->port()); }
std::string DataPlane::metrics_address() const {
  return WithPort(impl_->options().metrics_listen, impl_->metrics_port());
}
void DataPlane::Reload() { impl_->config().Reload(); }
void DataPlane::StopServing() { impl_->face().StopServing(); }
void DataPlane::Stop() { impl_->Stop(); }

}  // namespace sluice

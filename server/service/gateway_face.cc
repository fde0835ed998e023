#include "server/service/gateway_face.h"

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/tls/tls_renewal.h"
#include "server/service/caller_bounds.h"
#include "server/service/chat_rpc.h"
#include "server/service/embed_rpc.h"
#include "server/service/list_models_rpc.h"
#include "server/service/send_callers_away.h"

namespace sluice {
namespace {

// Runs `work` on the loop and waits for it.
template <typename F>
void RunOn(Loop& loop, F work) {
  std::promise<void> done;
  loop.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

// For whoever keeps to no budget.
DescriptorBudget Unshared() {
  constexpr int64_t kAny = int64_t{1} << 30;
  return {.limit = kAny, .callers = kAny, .upstreams = kAny};
}

int Milliseconds(Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

GatewayFace::GatewayFace(FaceOptions options, std::vector<FaceLoopParams> loops) : services_(options) {
  for (size_t i = 0; i < loops.size(); ++i) {
    if (i % services_.options.loops_per_notifier == 0) {
      notifiers_.push_back(
          std::make_unique<Notifier>(static_cast<int>(notifiers_.size()), builder_.AddCompletionQueue(true)));
    }
    // False: not polled by a thread of its own, the loop looks at it.
    loops_.push_back(std::make_unique<FaceLoop>(std::move(loops[i]), services_.options,
                                                builder_.AddCompletionQueue(false), *notifiers_.back()));
  }
  for (auto& loop : loops_) {
    std::vector<FaceLoop*> peers;
    for (auto& peer : loops_) {
      if (peer->notification_queue() == loop->notification_queue()) peers.push_back(peer.get());
    }
    loop->SetPeers(std::move(peers));
  }
  // The one that takes calls first is the one that has most to do.
  if (notifiers_.size() == 1) loops_[0]->PollCallers();
  health_ = std::make_unique<HealthBoard>(loops_[0]->loop(), services_);
  descriptors_ = services_.options.descriptors;
  if (descriptors_ == nullptr) descriptors_ = std::make_shared<DescriptorGuard>(Unshared());
}

GatewayFace::~GatewayFace() { Close(); }

grpc::CompletionQueue* GatewayFace::shared_queue() { return notifiers_[0]->queue(); }

std::shared_ptr<grpc::ServerCredentials> GatewayFace::Credentials() const {
  const FaceOptions& options = services_.options;
  return options.tls == nullptr ? grpc::InsecureServerCredentials() : options.tls->Credentials();
}

void GatewayFace::SetLimits() {
  const FaceOptions& options = services_.options;
  builder_.SetMaxReceiveMessageSize(static_cast<int>(HardRequestBytes(options.max_request_bytes)));
  builder_.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(HardMetadataBytes(options.max_metadata_bytes)));
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  // Without it gRPC takes a ping on a connection without calls for one too many
  // that comes within two hours, whatever the interval.
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder_.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              Milliseconds(options.min_ping_interval));
  builder_.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, options.max_ping_strikes);
}

absl::Status GatewayFace::Serve(const RouteTableSource& tables) {
  services_.tables = &tables;
  const FaceOptions& options = services_.options;
  const AcceptorOptions accepting{.silent_timeout = options.handshake_timeout, .user_timeout = options.keepalive_timeout};
  auto listener = GrpcListener::Listen(options.listen, accepting, *descriptors_);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  SetLimits();
  builder_.RegisterService(&services_.gateway);
  builder_.RegisterService(&services_.health);
  reflection_.AddTo(builder_);
  listener_->AddTo(builder_, Credentials());
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) return absl::UnavailableError(absl::StrCat("cannot serve on ", options.listen));
  port_ = listener_->port();
  RunOn(loops_[0]->loop(), [this] { health_->Start(); });
  ArmAll();
  // Reads of callers' sockets stay where all the others are.
  listener_->Start([this](std::function<void()> work) { notifiers_[0]->Post(std::move(work)); });
  return absl::OkStatus();
}

void GatewayFace::ArmAll() {
  // gRPC takes the requests of a queue in the order of asking, and each asks
  // for its successor, on the loop that is to take one more then.
  for (int i = 0; i < services_.options.stream_requests_ahead; ++i) {
    for (auto& loop : loops_) loop->Arm(std::make_unique<StreamChatRpc>(*loop, services_));
  }
  for (int i = 0; i < services_.options.unary_requests_ahead; ++i) {
    for (auto& loop : loops_) loop->Arm(std::make_unique<ChatRpc>(*loop, services_));
    for (auto& loop : loops_) loop->Arm(std::make_unique<EmbedRpc>(*loop, services_));
  }
  FaceLoop& first = *loops_[0];
  for (int i = 0; i < services_.options.unary_requests_ahead; ++i) {
    first.Arm(std::make_unique<HealthCheckRpc>(first, services_, *health_));
    first.Arm(std::make_unique<HealthWatchRpc>(first, services_, *health_));
    first.Arm(std::make_unique<ListModelsRpc>(first, services_));
  }
}

void GatewayFace::StopServing() {
  if (server_ != nullptr && !closed_) RunOn(loops_[0]->loop(), [this] { health_->StopServing(); });
}

void GatewayFace::Drain() {
  if (server_ == nullptr || std::exchange(drained_, true)) return;
  RunOn(loops_[0]->loop(), [this] { health_->EndWatches(); });
  // The port closes; gRPC's own listener goes with the next step.
  listener_->Stop();
  const FaceOptions& options = services_.options;
  for (auto& loop : loops_) RunOn(loop->loop(), [&] { loop->EndAllIn(options.drain_timeout); });
  // Blocks this thread while the loops go on: their calls must end for it.
  const auto limit = std::chrono::system_clock::now() +
                     absl::ToChronoMilliseconds(options.drain_timeout + options.end_grace);
  LetCallersGo(limit);
  server_->Shutdown(limit);
}

void GatewayFace::LetCallersGo(std::chrono::system_clock::time_point limit) {
  using Clock = std::chrono::system_clock;
  constexpr std::chrono::milliseconds kLook{10};
  const FaceOptions& options = services_.options;
  if (options.drain_grace == absl::ZeroDuration() || !SendCallersAway(*server_)) return;
  const auto known = Clock::now() + absl::ToChronoMilliseconds(options.goaway_grace);
  while (Clock::now() < limit && (Clock::now() < known || open_calls() > 0)) std::this_thread::sleep_for(kLook);
}

void GatewayFace::Close() {
  if (std::exchange(closed_, true)) return;
  Drain();
  for (auto& loop : loops_) loop->StopRequests();
  for (auto& loop : loops_) RunOn(loop->loop(), [&] { loop->StopPollingCallers(); });
  for (auto& notifier : notifiers_) notifier->Close();
  for (auto& loop : loops_) loop->Close();
  // A call that callers of several loops shared is ended on its own loop by a
  // message of the last one, and destroyed by one of its own.
  for (int round = 0; round < 2; ++round) {
    for (auto& loop : loops_) RunOn(loop->loop(), [] {});
  }
}

FaceFigures GatewayFace::figures() {
  FaceFigures figures;
  figures.open_calls = services_.load.calls();
  figures.request_bytes = services_.load.request_bytes();
  figures.shed = services_.load.figures();
  // As the loops' clock: their own stands still while they sleep.
  const TimePoint now = absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  figures.idempotency = services_.idempotency.figures(now);
  return figures;
}

}  // namespace sluice

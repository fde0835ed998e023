#include "server/service/face_loop.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "server/runtime/completion_tag.h"
#include "server/service/rpc.h"

namespace sluice {
namespace {

// As the loop's clock, which stands still within a turn.
TimePoint SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

FaceLoop::FaceLoop(FaceLoopParams params, const FaceOptions& options,
                   std::unique_ptr<grpc::ServerCompletionQueue> calls, Notifier& notifier)
    : params_(std::move(params)),
      options_(options),
      calls_(std::move(calls)),
      notifier_(notifier),
      random_(params_.seed),
      end_timer_(*params_.loop) {
  params_.loop->Post([this] { params_.loop->SetAfterTurn([this] { return AfterTurn(); }); });
}

FaceLoop::~FaceLoop() = default;

FaceLoop& FaceLoop::ForNextCall() const {
  absl::InlinedVector<double, 8> loads;
  for (FaceLoop* peer : peers_) loads.push_back(peer->load_.Load());
  return *peers_[ChooseLoop(loads)];
}

void FaceLoop::Arm(std::unique_ptr<Rpc> rpc) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  rpc.release()->Arm();
}

void FaceLoop::StopRequests() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
}

void FaceLoop::Opened(Rpc* rpc, bool patient) {
  rpcs_.insert(rpc);
  ++(patient ? patient_ : open_);
}

void FaceLoop::Closed(Rpc* rpc, bool patient) {
  rpcs_.erase(rpc);
  --(patient ? patient_ : open_);
}

void FaceLoop::EndAllIn(Duration wait) {
  end_timer_.Set(params_.loop->Now() + wait, [this] { EndAll(); });
}

void FaceLoop::EndAll() {
  ending_all_ = true;
  // None is freed before the turn's end.
  for (Rpc* rpc : rpcs_) rpc->EndNow();
}

Duration FaceLoop::AfterTurn() {
  const TimePoint began = loop().Now();
  Duration sleep = ServeCalls();
  if (caller_poll_) sleep = std::min(sleep, PollCallersAfter(began));
  if (sleep == absl::InfiniteDuration()) {
    load_.Rested();
  } else {
    const TimePoint ended = SteadyNow();
    last_turn_ = ended - began;
    load_.TurnEnded(began, ended, open_);
  }
  return sleep;
}

Duration FaceLoop::PollCallersAfter(TimePoint began) {
  // Others' callers would be more than this loop's messages stand for.
  constexpr double kMuch = 0.2;
  const bool alone = std::none_of(peers_.begin(), peers_.end(),
                                  [this](FaceLoop* peer) { return peer != this && peer->load_.Load() > kMuch; });
  return caller_poll_->AfterTurn(began, std::exchange(last_turn_, absl::ZeroDuration()), std::exchange(handed_, 0),
                                 alone ? open_ : 0);
}

Duration FaceLoop::ServeCalls() {
  if (open_ + patient_ == 0) return absl::InfiniteDuration();
  // What ends a turn may complete at once, and what completes may end a call.
  do {
    EndTurn();
    Drain(false);
  } while (!dirty_.empty());
  if (open_ + patient_ == 0) return absl::InfiniteDuration();
  return std::max(last_look_ + Tick() - loop().Now(), absl::ZeroDuration());
}

void FaceLoop::PollCallers() {
  params_.loop->Post([this] { caller_poll_.emplace(notifier_, options_.caller_poll); });
}

void FaceLoop::StopPollingCallers() {
  if (caller_poll_) caller_poll_->Stop();
  caller_poll_.reset();
}

Duration FaceLoop::Tick() const {
  if (operations_ > 0) return options_.tick_writing;
  return open_ > 0 ? options_.tick_open : options_.tick_watching;
}

void FaceLoop::EndTurn() {
  ending_.swap(dirty_);
  for (Rpc* rpc : ending_) rpc->TurnEnd();
  ending_.clear();
}

// What was started in this turn is mostly there already. To find the queue empty
// is dear, for then gRPC polls, and takes turns with the notification thread:
// so that is left to the tick where nothing is outstanding.
void FaceLoop::Drain(bool whole) {
  const bool look = whole || loop().Now() >= last_look_ + Tick();
  if (!look && std::exchange(started_, 0) == 0) return;
  void* tag = nullptr;
  bool ok = false;
  const gpr_timespec past = gpr_inf_past(GPR_CLOCK_MONOTONIC);
  while (look || operations_ > 0) {
    if (calls_->AsyncNext(&tag, &ok, past) != grpc::CompletionQueue::GOT_EVENT) {
      last_look_ = loop().Now();
      return;
    }
    static_cast<CompletionTag*>(tag)->Complete(ok);
  }
}

void FaceLoop::Close() {
  // Calls that the notification thread posted are in the loop's inbox before
  // this.
  std::promise<void> closed;
  params_.loop->Post([this, &closed] {
    ShutDownCalls();
    closed.set_value();
  });
  closed.get_future().wait();
}

void FaceLoop::ShutDownCalls() {
  params_.loop->SetAfterTurn([] { return absl::InfiniteDuration(); });
  end_timer_.Cancel();
  // The engine's calls end here, so that no RPC stays for a late event.
  do {
    EndTurn();
    Drain(true);
  } while (!dirty_.empty());
  calls_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (calls_->Next(&tag, &ok)) {
    static_cast<CompletionTag*>(tag)->Complete(ok);
    EndTurn();
  }
}

}  // namespace sluice

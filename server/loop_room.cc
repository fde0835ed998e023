#include "server/loop_room.h"

#include <pthread.h>

#include <set>
#include <string>
#include <utility>

namespace sluice {
namespace {

// Calls bring an endpoint's new limits to its pool at once; this is for the
// idle connections of endpoints that get no more calls.
constexpr Duration kRevisionInterval = absl::Seconds(1);

}  // namespace

LoopRoom::LoopRoom(int index, uint64_t seed, CallObserver& observer, std::shared_ptr<PoolRegistry> pools)
    : index_(index),
      observer_(observer),
      transport_(loop_, TransportOptions(), std::move(pools)),
      random_(seed),
      context_{loop_, transport_, random_, observer},
      revision_timer_(loop_) {}

LoopRoom::~LoopRoom() { Stop(); }

void LoopRoom::Start() {
  thread_ = std::thread([this] { loop_.Run(); });
  // 15 characters are what the kernel keeps.
  pthread_setname_np(thread_.native_handle(), ("sluice-loop-" + std::to_string(index_)).substr(0, 15).c_str());
}

void LoopRoom::Stop() {
  if (!thread_.joinable()) return;
  loop_.Stop();
  thread_.join();
}

FaceLoopParams LoopRoom::FaceParams() {
  FaceLoopParams params;
  params.loop = &loop_;
  params.observer = &observer_;
  params.seed = random_.Next();
  params.make_call = [this](CallParams call, StreamSink& sink) { return NewCall(context_, std::move(call), sink); };
  return params;
}

void LoopRoom::CheckHealth(const HealthOptions& options) {
  health_ = std::make_unique<HealthChecker>(loop_, transport_, random_, observer_, options);
}

void LoopRoom::FollowRevisions(const RouteTableSource& tables) {
  loop_.Post([this, &tables] { LookAtRevision(tables); });
}

void LoopRoom::LookAtRevision(const RouteTableSource& tables) {
  revision_timer_.Set(loop_.Now() + kRevisionInterval, [this, &tables] { LookAtRevision(tables); });
  auto table = tables.Current();
  if (table == adopted_) return;
  adopted_ = table;
  std::set<const HttpEndpoint*> seen;
  for (const auto& upstream : table->upstreams()) {
    for (const auto& endpoint : upstream->endpoints) {
      if (seen.insert(endpoint.http.get()).second) transport_.Adopt(*endpoint.http);
    }
  }
  if (health_ != nullptr) health_->Follow(*table);
}

}  // namespace sluice

#include "server/upstream/pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/upstream/connect_error.h"

namespace sluice {

PoolLease::PoolLease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {}

PoolLease& PoolLease::operator=(PoolLease&& other) noexcept {
  Close();
  pool_ = std::move(other.pool_);
  connection_ = std::move(other.connection_);
  return *this;
}

void PoolLease::Close() {
  connection_.reset();
  if (auto pool = std::exchange(pool_, nullptr)) pool->Closed();
}

void PoolLease::Keep() {
  auto pool = std::exchange(pool_, nullptr);
  pool->Keep(std::move(connection_));
}

RoomRequest::RoomRequest(std::shared_ptr<Pool> pool, Callback done)
    : pool_(std::move(pool)), done_(std::move(done)) {}

void RoomRequest::Answer(OpenPlace place) {
  if (!place.held()) return done_({});
  place.Take();
  done_(pool_->Opened());
}

std::shared_ptr<Pool> Pool::Create(IoLoop& loop, const HttpEndpoint& endpoint, std::shared_ptr<SharedPool> shared,
                                   std::shared_ptr<PoolRegistry> registry) {
  std::shared_ptr<Pool> pool(new Pool(loop, endpoint, std::move(shared), std::move(registry)));
  pool->member_ = pool->shared_->Join(loop, pool, pool->counters_.idle);
  return pool;
}

Pool::Pool(IoLoop& loop, const HttpEndpoint& endpoint, std::shared_ptr<SharedPool> shared,
           std::shared_ptr<PoolRegistry> registry)
    : loop_(loop),
      shared_(std::move(shared)),
      registry_(std::move(registry)),
      limits_(endpoint.pool),
      keep_idle_(endpoint.keep_idle),
      expiry_(loop),
      last_used_(loop.Now()),
      watch_(loop, endpoint, [this](const std::string& host, TimePoint asked) { LookUp(host, asked); }) {
  counters_.endpoint =
      (endpoint.tls ? "https://" : "http://") + HostAndPort(endpoint.host, endpoint.port);
  counters_.proxy = ProxyAddress(endpoint.proxy);
}

Pool::~Pool() {
  CloseIdle();
  shared_->Leave(member_);
}

void Pool::Adopt(const HttpEndpoint& endpoint) {
  keep_idle_ = endpoint.keep_idle;
  const PoolLimits& limits = endpoint.pool;
  if (limits.max_idle_time != limits_.max_idle_time || limits.max_lifetime != limits_.max_lifetime) {
    // The timer may now be late for those that wait.
    Arm(loop_.Now());
  }
  limits_ = limits;
  watch_.SetInterval(limits.resolve_every);
  TrimIdle();
}

PoolLease Pool::TakeIdle(FdHandler* watcher) {
  last_used_ = loop_.Now();
  while (!idle_.empty()) {
    auto newest = std::prev(idle_.end());
    if (Deadline(*newest) <= loop_.Now()) {
      Discard(newest);
      continue;
    }
    // The loop may have news of it that it has not told yet.
    if (!newest->connection->Quiet()) {
      PoolCounters::Add(counters_.dead);
      Discard(newest);
      continue;
    }
    shared_->Take();
    loop_.Watch(newest->connection->fd(), true, false, watcher);
    return PoolLease(shared_from_this(), Remove(newest));
  }
  return {};
}

PoolLease Pool::Reserve() {
  last_used_ = loop_.Now();
  const SharedPool::Opening opening = shared_->Open(limits_.max_open);
  lacks_descriptor_ = opening == SharedPool::Opening::kNoDescriptor;
  if (opening != SharedPool::Opening::kOpened) return {};
  return Opened();
}

PoolLease Pool::Opened() {
  ++open_;
  PoolCounters::Add(counters_.open);
  watch_.Begin();
  return PoolLease(shared_from_this(), nullptr);
}

std::shared_ptr<RoomRequest> Pool::AskForRoom(RoomRequest::Callback done) {
  auto request = std::make_shared<RoomRequest>(shared_from_this(), std::move(done));
  const bool asked = shared_->PostToIdlest(
      member_, [shared = shared_, asker = member_, caller = std::weak_ptr(request)](
                   std::weak_ptr<Pool> other) mutable {
        AnswerFor(std::move(other), *shared, asker, std::move(caller));
      });
  return asked ? request : nullptr;
}

// On the loop that is asked. The request is only looked at on its own.
void Pool::AnswerFor(std::weak_ptr<Pool> asked, SharedPool& shared, uint64_t asker,
                     std::weak_ptr<RoomRequest> request) {
  const std::shared_ptr<Pool> pool = asked.lock();
  OpenPlace place = pool == nullptr ? OpenPlace() : pool->GiveUpIdle();
  shared.Post(asker, [request = std::move(request), place = std::move(place)]() mutable {
    if (auto waiting = request.lock()) waiting->Answer(std::move(place));
  });
}

std::shared_ptr<RoomRequest> Pool::AskForDescriptor(RoomRequest::Callback done) {
  auto request = std::make_shared<RoomRequest>(shared_from_this(), std::move(done));
  const bool asked = registry_->PostToIdlest([shared = shared_, asker = member_, caller = std::weak_ptr(request)](
                                                 std::weak_ptr<Pool> idlest) mutable {
    AnswerOnceClosed(std::move(idlest), *shared, asker, std::move(caller));
  });
  return asked ? request : nullptr;
}

// On the loop of that pool, as above. Somebody else may get the descriptor before
// the asker comes to it; then it asks again.
void Pool::AnswerOnceClosed(std::weak_ptr<Pool> idlest, SharedPool& shared, uint64_t asker,
                            std::weak_ptr<RoomRequest> request) {
  if (const std::shared_ptr<Pool> pool = idlest.lock(); pool != nullptr && !pool->idle_.empty()) {
    pool->Discard(pool->idle_.begin());
  }
  shared.Post(asker, [request = std::move(request)] {
    if (auto waiting = request.lock()) waiting->Answer({});
  });
}

OpenPlace Pool::GiveUpIdle() {
  if (idle_.empty()) return {};
  Close(idle_.begin());
  --open_;
  PoolCounters::Add(counters_.open, -1);
  shared_->Take();
  return OpenPlace(shared_);
}

std::string Pool::Refuse() {
  PoolCounters::Add(counters_.refused);
  return "all " + std::to_string(limits_.max_open) + " connections to " + counters_.endpoint +
         " are busy (pool max_open)";
}

std::string Pool::RefuseForDescriptors(RefusalCause cause) {
  PoolCounters::Add(counters_.refused);
  const std::string text = "no file descriptor is left for a connection to " + counters_.endpoint;
  const auto& descriptors = registry_->descriptors();
  if (descriptors == nullptr) return text;
  descriptors->UpstreamRefused(cause);
  if (cause != RefusalCause::kBudget) return text + " (ulimit -n)";
  return text + ": all " + WithThousands(descriptors->budget().upstreams) + " for upstream connections are in use, of " +
         WithThousands(descriptors->budget().limit) + " (ulimit -n)";
}

void Pool::Keep(std::unique_ptr<Connection> connection) {
  const TimePoint now = loop_.Now();
  last_used_ = now;
  const bool gone = watch_.gone(*connection);
  if (gone) watch_.Moved();
  if (!keep_idle_ || gone || connection->created() + limits_.max_lifetime <= now || !FindIdlePlace()) {
    loop_.Unwatch(connection->fd());
    connection.reset();
    return Closed();
  }
  idle_.emplace_back(*this, std::move(connection), now);
  PoolCounters::Add(counters_.idle);
  Idle& kept = idle_.back();
  loop_.Watch(kept.connection->fd(), true, false, &kept);
  Arm(Deadline(kept));
}

bool Pool::FindIdlePlace() {
  if (shared_->TryKeep(limits_.max_open, limits_.max_idle)) return true;
  if (idle_.empty()) return false;
  // Its idle place is taken over: only the open one is free.
  Close(idle_.begin());
  Closed();
  return true;
}

void Pool::Closed() {
  --open_;
  PoolCounters::Add(counters_.open, -1);
  shared_->Close();
  if (open_ == 0) watch_.Rest();
}

void Pool::CheckIdle(Idle& idle) {
  if (idle.connection->Quiet()) return;
  PoolCounters::Add(counters_.dead);
  Discard(std::find_if(idle_.begin(), idle_.end(), [&](Idle& other) { return &other == &idle; }));
}

std::unique_ptr<Connection> Pool::Remove(IdleList::iterator idle) {
  std::unique_ptr<Connection> connection = std::move(idle->connection);
  idle_.erase(idle);
  PoolCounters::Add(counters_.idle, -1);
  return connection;
}

void Pool::Close(IdleList::iterator idle) {
  loop_.Unwatch(idle->connection->fd());
  Remove(idle).reset();
}

void Pool::Discard(IdleList::iterator idle) {
  Close(idle);
  --open_;
  PoolCounters::Add(counters_.open, -1);
  shared_->CloseIdle();
  if (open_ == 0) watch_.Rest();
}

void Pool::CloseIdle() {
  while (!idle_.empty()) Discard(idle_.begin());
}

void Pool::TrimIdle() {
  // Loops that trim at the same moment may close one too many each; idle ones
  // only.
  while (!idle_.empty() && (!keep_idle_ || shared_->IsOver(limits_.max_open, limits_.max_idle))) {
    Discard(idle_.begin());
  }
}

TimePoint Pool::Deadline(const Idle& idle) const {
  return std::min(idle.since + limits_.max_idle_time,
                  idle.connection->created() + limits_.max_lifetime);
}

void Pool::CloseExpired() {
  expiry_at_ = absl::InfiniteFuture();
  const TimePoint now = loop_.Now();
  for (auto idle = idle_.begin(); idle != idle_.end();) {
    const auto current = idle++;
    const TimePoint deadline = Deadline(*current);
    if (deadline <= now) {
      Discard(current);
    } else {
      Arm(deadline);
    }
  }
}

void Pool::LookUp(const std::string& host, TimePoint asked) {
  // The answer comes on a thread of the lookup's.
  registry_->names().Look(host, [shared = shared_, member = member_, weak = weak_from_this(),
                                 asked](std::shared_ptr<const AddressList> addresses) {
    shared->Post(member, [weak, asked, addresses = std::move(addresses)]() mutable {
      const std::shared_ptr<Pool> pool = weak.lock();
      if (pool != nullptr && pool->watch_.OnAnswer(asked, std::move(addresses))) pool->CloseGone();
    });
  });
}

// Busy ones are closed where they would become idle.
void Pool::CloseGone() {
  for (auto idle = idle_.begin(); idle != idle_.end();) {
    const auto current = idle++;
    if (!watch_.gone(*current->connection)) continue;
    watch_.Moved();
    Discard(current);
  }
}

void Pool::Arm(TimePoint deadline) {
  if (deadline >= expiry_at_) return;
  expiry_at_ = deadline;
  expiry_.Set(deadline, [this] { CloseExpired(); });
}

}  // namespace sluice

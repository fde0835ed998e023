#include "server/upstream/pooled_transport.h"

#include <utility>

#include "server/upstream/exchange.h"
#include "server/upstream/transport_core.h"

namespace sluice {
namespace {

PoolStats Snapshot(const PoolCounters& counters) {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  PoolStats stats;
  stats.endpoint = counters.endpoint;
  stats.proxy = counters.proxy;
  stats.open = read(counters.open);
  stats.idle = read(counters.idle);
  stats.connects = read(counters.connects);
  stats.connect_failures = read(counters.connect_failures);
  stats.reuses = read(counters.reuses);
  stats.dead = read(counters.dead);
  stats.resets = read(counters.resets);
  stats.refused = read(counters.refused);
  return stats;
}

}  // namespace

TransportCore::TransportCore(IoLoop& io_loop, const TransportOptions& transport_options,
                             std::shared_ptr<PoolRegistry> pool_registry)
    : loop(io_loop),
      options(transport_options),
      connector(io_loop, options),
      registry(pool_registry != nullptr ? std::move(pool_registry)
                                        : std::make_shared<PoolRegistry>()),
      scratch_(new char[kLeftRoom + options.read_bytes_per_turn]) {}

TransportCore::~TransportCore() {
  for (Exchange* exchange : exchanges) exchange->Abandon();
  // Before the connector, which their TLS connections live in.
  std::lock_guard lock(mutex);
  pools.clear();
}

std::shared_ptr<Pool> TransportCore::FindPool(const HttpEndpoint& endpoint, bool create) {
  const std::string key = endpoint.PoolKey();
  if (auto found = pools.find(key); found != pools.end()) {
    found->second->Adopt(endpoint);
    return found->second;
  }
  if (!create) return nullptr;
  auto pool = Pool::Create(loop, endpoint, registry->Find(key), registry);
  std::lock_guard lock(mutex);
  ForgetUnused();
  pools.emplace(key, pool);
  return pool;
}

void TransportCore::ForgetUnused() {
  const TimePoint unused_since = loop.Now() - options.forget_pool_after;
  absl::erase_if(pools, [&](const auto& entry) {
    return entry.second->open() == 0 && entry.second->last_used() < unused_since;
  });
}

PooledHttpTransport::PooledHttpTransport(IoLoop& loop, TransportOptions options,
                                         std::shared_ptr<PoolRegistry> registry)
    : core_(std::make_unique<TransportCore>(loop, options, std::move(registry))) {}

PooledHttpTransport::~PooledHttpTransport() = default;

std::unique_ptr<HttpExchange> PooledHttpTransport::Start(HttpRequest request,
                                                         HttpExchangeObserver* observer) {
  return std::make_unique<Exchange>(*core_, std::move(request), observer);
}

void PooledHttpTransport::Adopt(const HttpEndpoint& endpoint) { core_->FindPool(endpoint, false); }

std::vector<PoolStats> PooledHttpTransport::Stats() const {
  std::lock_guard lock(core_->mutex);
  std::vector<PoolStats> stats;
  stats.reserve(core_->pools.size());
  for (const auto& [key, pool] : core_->pools) stats.push_back(Snapshot(pool->counters()));
  return stats;
}

}  // namespace sluice

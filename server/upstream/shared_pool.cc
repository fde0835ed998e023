#include "server/upstream/shared_pool.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kOpen = 1;
constexpr uint64_t kIdle = uint64_t{1} << 32;

size_t OpenOf(uint64_t counts) { return static_cast<uint32_t>(counts); }
size_t IdleOf(uint64_t counts) { return counts >> 32; }

}  // namespace

// Closing releases and opening acquires: who opens in the place of a closed
// connection does so after it was closed, also as the upstream sees it.
SharedPool::Opening SharedPool::Open(size_t max_open) {
  uint64_t counts = counts_.load(std::memory_order_relaxed);
  do {
    if (OpenOf(counts) >= max_open) return Opening::kFull;
  } while (!counts_.compare_exchange_weak(counts, counts + kOpen, std::memory_order_acquire,
                                          std::memory_order_relaxed));
  if (descriptors_ == nullptr || descriptors_->upstreams().TryTake()) return Opening::kOpened;
  counts_.fetch_sub(kOpen, std::memory_order_release);
  return Opening::kNoDescriptor;
}

void SharedPool::GiveDescriptor() {
  if (descriptors_ != nullptr) descriptors_->upstreams().Give();
}

void SharedPool::Close() {
  counts_.fetch_sub(kOpen, std::memory_order_release);
  GiveDescriptor();
}

bool SharedPool::TryKeep(size_t max_open, size_t max_idle) {
  uint64_t counts = counts_.load(std::memory_order_relaxed);
  do {
    if (OpenOf(counts) > max_open || IdleOf(counts) >= max_idle) return false;
  } while (!counts_.compare_exchange_weak(counts, counts + kIdle, std::memory_order_relaxed));
  return true;
}

void SharedPool::Take() { counts_.fetch_sub(kIdle, std::memory_order_relaxed); }

void SharedPool::CloseIdle() {
  counts_.fetch_sub(kIdle + kOpen, std::memory_order_release);
  GiveDescriptor();
}

size_t SharedPool::open() const { return OpenOf(counts_.load(std::memory_order_relaxed)); }

size_t SharedPool::idle() const { return IdleOf(counts_.load(std::memory_order_relaxed)); }

bool SharedPool::IsOver(size_t max_open, size_t max_idle) const {
  const uint64_t counts = counts_.load(std::memory_order_relaxed);
  return OpenOf(counts) > max_open || IdleOf(counts) > max_idle;
}

uint64_t SharedPool::Join(IoLoop& loop, std::weak_ptr<Pool> pool, const std::atomic<uint64_t>& idle) {
  std::lock_guard lock(mutex_);
  members_.push_back({++last_member_, &loop, std::move(pool), &idle});
  return last_member_;
}

void SharedPool::Leave(uint64_t member) {
  std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const Member& one) { return one.id == member; });
}

bool SharedPool::PostToIdlest(uint64_t asker, PoolCall call) {
  // Under the mutex its loop cannot go: a member leaves before its loop does.
  std::lock_guard lock(mutex_);
  const Member* best = nullptr;
  uint64_t most = 0;
  for (const Member& one : members_) {
    const uint64_t idle = one.idle->load(std::memory_order_relaxed);
    if (one.id == asker || idle <= most) continue;
    best = &one;
    most = idle;
  }
  if (best == nullptr) return false;
  best->loop->Post([call = std::move(call), pool = best->pool]() mutable { call(std::move(pool)); });
  return true;
}

void SharedPool::Post(uint64_t member, Loop::Callback callback) {
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.id == member; });
  if (found != members_.end()) found->loop->Post(std::move(callback));
}

PoolRegistry::PoolRegistry(std::shared_ptr<DescriptorGuard> descriptors, std::shared_ptr<NameLookup> names)
    : descriptors_(std::move(descriptors)), names_(names != nullptr ? std::move(names) : MakeSystemNameLookup()) {}

bool PoolRegistry::PostToIdlest(SharedPool::PoolCall call) {
  std::shared_ptr<SharedPool> idlest;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : pools_) {
      std::shared_ptr<SharedPool> pool = weak.lock();
      if (pool != nullptr && pool->idle() > (idlest == nullptr ? 0 : idlest->idle())) idlest = std::move(pool);
    }
  }
  constexpr uint64_t kNobody = 0;
  return idlest != nullptr && idlest->PostToIdlest(kNobody, std::move(call));
}

std::shared_ptr<SharedPool> PoolRegistry::Find(const std::string& key) {
  std::lock_guard lock(mutex_);
  if (auto found = pools_.find(key); found != pools_.end()) {
    if (auto pool = found->second.lock()) return pool;
  }
  // Where pools come, some went: nothing is left of endpoints that are gone.
  ForgetUnused();
  auto pool = std::make_shared<SharedPool>(descriptors_);
  pools_[key] = pool;
  return pool;
}

size_t PoolRegistry::size() {
  std::lock_guard lock(mutex_);
  ForgetUnused();
  return pools_.size();
}

void PoolRegistry::ForgetUnused() {
  absl::erase_if(pools_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace sluice

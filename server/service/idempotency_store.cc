#include "server/service/idempotency_store.h"

#include <openssl/evp.h>

#include <string>
#include <utility>

namespace sluice {
namespace {

// An entry without its log: the key twice, the maps' nodes, the call.
constexpr size_t kEntryBytes = 1024;

}  // namespace

IdempotencyStore::Claim IdempotencyStore::TryClaim(const std::string& key, const Fingerprint& fingerprint,
                                                   LogReader* reader, TimePoint now,
                                                   const std::function<std::shared_ptr<SharedCall>()>& make) {
  std::lock_guard lock(mutex_);
  ExpireLocked(now);
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.fingerprint != fingerprint) {
    ++figures_.conflicts;
    return {Verdict::kConflict, nullptr};
  }
  if (found != entries_.end()) {
    Entry& entry = found->second;
    if (entry.call == nullptr) return {Verdict::kNotKept, nullptr};
    if (entry.call->Attach(reader)) {
      ++(entry.ended ? figures_.replays : figures_.joins);
      return {entry.ended ? Verdict::kReplayed : Verdict::kJoined, entry.call};
    }
    // It failed, or all have left, in this very moment.
    EraseLocked(found);
  }
  Entry fresh;
  fresh.fingerprint = fingerprint;
  fresh.call = make();
  fresh.owner = fresh.call.get();
  (void)fresh.call->Attach(reader);
  auto call = fresh.call;
  Entry& entry = entries_.emplace(key, std::move(fresh)).first->second;
  SetBytesLocked(entry, kEntryBytes + key.size());
  EvictLocked(call.get());
  return {Verdict::kFirst, std::move(call)};
}

bool IdempotencyStore::Grow(const SharedCall* call, size_t bytes) {
  std::lock_guard lock(mutex_);
  auto found = FindLocked(call);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (entry.call == nullptr) return false;
  SetBytesLocked(entry, entry.bytes + bytes);
  if (entry.bytes <= limits_.max_entry_bytes) EvictLocked(call);
  const bool fits =
      entry.bytes <= limits_.max_entry_bytes && figures_.bytes <= static_cast<int64_t>(limits_.max_bytes);
  if (fits) return true;
  // Only that it was asked is remembered, so that it is not run twice.
  ++figures_.not_kept;
  entry.call.reset();
  SetBytesLocked(entry, kEntryBytes + found->first.size());
  return false;
}

void IdempotencyStore::Shrink(const SharedCall* call, size_t bytes) {
  std::lock_guard lock(mutex_);
  auto found = FindLocked(call);
  if (found == entries_.end() || found->second.call == nullptr) return;
  SetBytesLocked(found->second, found->second.bytes - bytes);
}

void IdempotencyStore::Ended(const SharedCall* call, bool keep, TimePoint now) {
  std::lock_guard lock(mutex_);
  ExpireLocked(now);
  auto found = FindLocked(call);
  if (found == entries_.end()) return;
  if (!keep) return EraseLocked(found);
  Entry& entry = found->second;
  entry.ended = true;
  entry.expires = now + limits_.ttl;
  entry.place = ended_.insert(ended_.end(), found->first);
}

void IdempotencyStore::Remove(const SharedCall* call) {
  std::lock_guard lock(mutex_);
  if (auto found = FindLocked(call); found != entries_.end()) EraseLocked(found);
}

IdempotencyFigures IdempotencyStore::figures(TimePoint now) {
  std::lock_guard lock(mutex_);
  ExpireLocked(now);
  IdempotencyFigures figures = figures_;
  figures.entries = static_cast<int64_t>(entries_.size());
  return figures;
}

IdempotencyStore::Entries::iterator IdempotencyStore::FindLocked(const SharedCall* call) {
  auto found = entries_.find(call->traits().key);
  return found != entries_.end() && found->second.owner == call ? found : entries_.end();
}

void IdempotencyStore::EraseLocked(Entries::iterator entry) {
  SetBytesLocked(entry->second, 0);
  if (entry->second.ended) ended_.erase(entry->second.place);
  entries_.erase(entry);
}

void IdempotencyStore::ExpireLocked(TimePoint now) {
  while (!ended_.empty()) {
    auto oldest = entries_.find(ended_.front());
    if (oldest->second.expires > now) return;
    EraseLocked(oldest);
  }
}

void IdempotencyStore::EvictLocked(const SharedCall* but) {
  while (figures_.bytes > static_cast<int64_t>(limits_.max_bytes) && !ended_.empty()) {
    auto oldest = entries_.find(ended_.front());
    if (oldest->second.owner == but) return;
    EraseLocked(oldest);
    ++figures_.evictions;
  }
}

void IdempotencyStore::SetBytesLocked(Entry& entry, size_t bytes) {
  figures_.bytes += static_cast<int64_t>(bytes) - static_cast<int64_t>(entry.bytes);
  entry.bytes = bytes;
}

Fingerprint FingerprintOf(std::string_view request, std::string_view route) {
  // The length of the first part keeps the border between both.
  const std::string border = std::to_string(route.size()) + ":";
  Fingerprint fingerprint{};
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  EVP_DigestUpdate(context, border.data(), border.size());
  EVP_DigestUpdate(context, route.data(), route.size());
  EVP_DigestUpdate(context, request.data(), request.size());
  EVP_DigestFinal_ex(context, fingerprint.data(), nullptr);
  EVP_MD_CTX_free(context);
  return fingerprint;
}

}  // namespace sluice

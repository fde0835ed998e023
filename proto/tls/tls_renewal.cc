#include "proto/tls/tls_renewal.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace sluice {

absl::StatusOr<std::unique_ptr<TlsRenewal>> TlsRenewal::Start(TlsRenewalOptions options) {
  absl::StatusOr<TlsTexts> texts = ReadTlsFiles(options.files);
  if (!texts.ok()) return texts.status();
  const absl::StatusOr<TlsSet> set = CheckTls(options.files, *std::move(texts));
  if (!set.ok()) return set.status();
  return std::unique_ptr<TlsRenewal>(new TlsRenewal(std::move(options), *set));
}

TlsRenewal::TlsRenewal(TlsRenewalOptions options, const TlsSet& set)
    : options_(std::move(options)),
      tls_(set.texts, options_.files.authorities.given()),
      watch_(options_.files, set.texts) {
  Took(set);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "sluice-tls");
}

TlsRenewal::~TlsRenewal() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_all();
  thread_.join();
}

void TlsRenewal::Reload() {
  {
    std::lock_guard lock(mutex_);
    asked_ = true;
  }
  woken_.notify_all();
}

RenewalFigures TlsRenewal::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

void TlsRenewal::Run() {
  absl::Duration wait = options_.interval;
  bool at_once = false;  // until the files stand still
  std::unique_lock lock(mutex_);
  while (true) {
    woken_.wait_for(lock, absl::ToChronoMilliseconds(wait), [this] { return stopping_ || asked_; });
    if (stopping_) return;
    at_once = std::exchange(asked_, false) || at_once;
    lock.unlock();
    const bool settled = Look(at_once);
    wait = settled ? options_.interval : std::min(options_.settle, options_.interval);
    if (settled) at_once = false;
    lock.lock();
  }
}

bool TlsRenewal::Look(bool at_once) {
  TlsFileWatch::News news = watch_.Look(at_once);
  if (news.unsettled) return false;
  if (!news.problem.empty()) {
    spdlog::error("{}; what was read before is kept", news.problem);
    std::lock_guard lock(mutex_);
    ++figures_.failures;
  }
  if (news.taken) {
    tls_.Publish(news.taken->texts);
    Took(*news.taken);
    spdlog::info("{}: renewed: {}, serial {}, valid until {}", options_.files.cert.ToString(), news.taken->leaf.subject,
                 news.taken->leaf.serial,
                 absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", news.taken->leaf.not_after, absl::UTCTimeZone()));
  }
  return true;
}

void TlsRenewal::Took(const TlsSet& set) {
  if (const std::string warning = DateWarning(options_.files, set, absl::Now()); !warning.empty()) {
    spdlog::warn("{}", warning);
  }
  std::lock_guard lock(mutex_);
  figures_.what = "listener";
  figures_.taken = absl::Now();
  figures_.not_after = set.leaf.not_after;
}

}  // namespace sluice

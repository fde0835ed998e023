#include "server/config/local_renewal.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace sluice {
namespace {

// A walk through many files lets the worker do other things in between.
constexpr size_t kFilesPerTurn = 256;
// To find a file as it was: longer than writing it takes.
constexpr absl::Duration kSettle = absl::Milliseconds(200);
// Between two looks at secrets that upstreams refuse: they may do so with every
// call.
constexpr absl::Duration kRefusedInterval = absl::Seconds(1);

void Merge(const LocalFileWatch::News& from, LocalFileWatch::News& to) {
  to.secrets.insert(from.secrets.begin(), from.secrets.end());
  to.problems.insert(to.problems.end(), from.problems.begin(), from.problems.end());
  to.authorities |= from.authorities;
  to.unsettled |= from.unsettled;
  to.awaited |= from.awaited;
}

}  // namespace

LocalRenewal::LocalRenewal(ConfigWorker& worker, const CredentialResolver& resolver, absl::Duration interval,
                           Hooks hooks)
    : worker_(worker), interval_(interval), hooks_(std::move(hooks)), watch_(resolver) {}

void LocalRenewal::Follow(const RouteTable& table) {
  watch_.Follow(table, absl::Now());
  PublishFigures();
}

void LocalRenewal::WalkAfter(absl::Duration delay) {
  worker_.PostAfter(delay, [this] {
    watch_.BeginWalk();
    Walk({});
  });
}

void LocalRenewal::Walk(LocalFileWatch::News so_far) {
  Merge(watch_.Look(kFilesPerTurn), so_far);
  if (!watch_.walked()) {
    return worker_.Post([this, so_far = std::move(so_far)]() mutable { Walk(std::move(so_far)); });
  }
  Act(so_far);
  // Once, lest a file that changes all the time keep the worker busy.
  if (so_far.unsettled) worker_.PostAfter(kSettle, [this] { Act(watch_.LookAgain()); });
  WalkAfter(interval_);
}

void LocalRenewal::LookNow() { Act(watch_.LookCloselyAtAll()); }

void LocalRenewal::CredentialRefused(std::string_view credential) {
  if (!credential.starts_with("file:")) return;
  std::lock_guard lock(mutex_);
  refused_.insert(std::string(credential));
  // Who came first has posted the look.
  if (refused_.size() > 1) return;
  const Clock::time_point now = Clock::now();
  const Clock::time_point at = std::max(now, next_refused_look_);
  next_refused_look_ = at + absl::ToChronoMilliseconds(kRefusedInterval);
  worker_.PostAfter(absl::FromChrono(at - now), [this] { LookAtRefused(); });
}

void LocalRenewal::LookAtRefused() {
  std::set<std::string> refused;
  {
    std::lock_guard lock(mutex_);
    refused.swap(refused_);
  }
  LocalFileWatch::News news;
  for (const std::string& credential : refused) Merge(watch_.LookClosely(credential), news);
  Act(news);
}

void LocalRenewal::Act(const LocalFileWatch::News& news) {
  for (const std::string& problem : news.problems) spdlog::error("{}", problem);
  if (news.renewed()) {
    hooks_.renew();
    // Told when it is in force: whoever reads it may count on it.
    spdlog::info("renewed: {}{}", absl::StrJoin(news.secrets, ", "),
                 !news.authorities ? "" : news.secrets.empty() ? "tls.ca_file" : ", tls.ca_file");
  }
  if (news.awaited) hooks_.try_refused_again();
  PublishFigures();
}

void LocalRenewal::PublishFigures() {
  std::vector<RenewalFigures> figures = watch_.figures();
  std::lock_guard lock(mutex_);
  figures_ = std::move(figures);
}

std::vector<RenewalFigures> LocalRenewal::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace sluice

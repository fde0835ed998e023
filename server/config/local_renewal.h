// Renews what policies name on this machine while the policies stay as they
// are: a secret or a file of authorities that changed is taken within seconds,
// and at once when an upstream refused what is in force. What is broken leaves
// the old in force and is told.
//
// Owned by the configuration; on its worker, but where it says otherwise.
#ifndef SLUICE_SERVER_CONFIG_LOCAL_RENEWAL_H_
#define SLUICE_SERVER_CONFIG_LOCAL_RENEWAL_H_

#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "proto/tls/renewal_figures.h"
#include "server/config/config_worker.h"
#include "server/config/local_file_watch.h"
#include "server/engine/route_table.h"

namespace sluice {

class LocalRenewal {
 public:
  struct Hooks {
    // Compiles the policies in force anew and puts the result in force.
    std::function<void()> renew;
    // Policies that were refused for want of a file may be fine now.
    std::function<void()> try_refused_again;
  };

  LocalRenewal(ConfigWorker& worker, const CredentialResolver& resolver, absl::Duration interval, Hooks hooks);

  // Before the worker runs.
  void Start() { WalkAfter(interval_); }
  // Also before the worker runs.
  void Follow(const RouteTable& table);
  void Await(LocalFileWatch::Stamps before) { watch_.Await(std::move(before)); }
  // Somebody asked (SIGHUP).
  void LookNow();

  // An upstream refused it (401). Any thread; never blocks for long. Looked at
  // once a second at most.
  void CredentialRefused(std::string_view credential);
  // Any thread.
  std::vector<RenewalFigures> figures() const;

 private:
  using Clock = std::chrono::steady_clock;

  void WalkAfter(absl::Duration delay);
  void Walk(LocalFileWatch::News so_far);
  void LookAtRefused();
  void Act(const LocalFileWatch::News& news);
  void PublishFigures();

  ConfigWorker& worker_;
  const absl::Duration interval_;
  const Hooks hooks_;
  LocalFileWatch watch_;

  mutable std::mutex mutex_;
  std::set<std::string> refused_ ABSL_GUARDED_BY(mutex_);  // to be looked at
  Clock::time_point next_refused_look_ ABSL_GUARDED_BY(mutex_) = Clock::time_point::min();
  std::vector<RenewalFigures> figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_LOCAL_RENEWAL_H_

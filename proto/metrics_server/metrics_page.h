// The page of all metrics, built on a thread of its own: collectors take locks
// and a large page takes tens of milliseconds, in which probes are answered
// still. Thread-safe.
#ifndef SLUICE_PROTO_METRICS_SERVER_METRICS_PAGE_H_
#define SLUICE_PROTO_METRICS_SERVER_METRICS_PAGE_H_

#include <prometheus/collectable.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "proto/metrics_server/http_answer.h"

namespace sluice {

class MetricsPage {
 public:
  MetricsPage();
  // Waits for the page that is being built; those who wait for another get none.
  ~MetricsPage();

  // Collected on the page's thread only, one after the other.
  void Register(std::shared_ptr<prometheus::Collectable> collectable);

  // A page that was begun after this: who asks while one is built waits for the
  // next, with all others who do. `done` is called on the page's thread; 500
  // where a collector throws.
  void Ask(bool gzip, std::function<void(HttpAnswer)> done);

 private:
  struct Asker {
    bool gzip;
    std::function<void(HttpAnswer)> done;
  };

  void Run();
  std::vector<prometheus::MetricFamily> Collect();
  // Nothing: a collector threw, which is logged.
  std::optional<std::string> Build();
  void Answer(const std::vector<Asker>& askers);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_ ABSL_GUARDED_BY(mutex_);
  std::vector<Asker> askers_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_METRICS_SERVER_METRICS_PAGE_H_

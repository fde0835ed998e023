// The control plane's metrics, scraped by Prometheus. Observers are called from
// any thread; prometheus-cpp's values are atomic or locked.
#ifndef SLUICE_CONTROLPLANE_TELEMETRY_METRICS_H_
#define SLUICE_CONTROLPLANE_TELEMETRY_METRICS_H_

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "controlplane/admin/admin_observer.h"
#include "controlplane/push/push_observer.h"
#include "prometheus/collectable.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

class ControlPlaneMetrics : public PushObserver, public AdminObserver, public prometheus::Collectable {
 public:
  // Figures that are read when Prometheus asks.
  struct Live {
    std::function<double()> revision;
    std::function<std::map<v1::NodeState, int>()> subscribers;
  };

  explicit ControlPlaneMetrics(const std::string& version);

  // Before the first scrape; the functions must stay callable until the last.
  void SetLive(Live live) { live_ = std::move(live); }

  void OnPush(bool snapshot) override;
  void OnAck(absl::Duration latency) override;
  void OnCatchUp() override;
  void OnNack() override;
  void OnDropped(DropReason reason) override;
  void OnDigestMismatch() override;
  void OnRequest(const char* method, grpc::StatusCode code) override;
  void OnNodeAnswer(grpc::StatusCode code) override;
  void OnCommit(absl::Duration latency) override;
  void OnCommitFailed(const absl::Status& why) override;

  // Why the store took no change, if that was lately and none was taken since;
  // else empty. For /readyz: soon it is to be tried again.
  std::string StoreTrouble(absl::Time now) const;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  prometheus::Registry registry_;
  Live live_;
  prometheus::Gauge& revision_;
  prometheus::Family<prometheus::Gauge>& subscribers_;
  prometheus::Counter& pushes_delta_;
  prometheus::Counter& pushes_snapshot_;
  prometheus::Counter& acks_;
  prometheus::Counter& nacks_;
  prometheus::Counter& digest_mismatches_;
  prometheus::Histogram& push_latency_;
  prometheus::Family<prometheus::Counter>& dropped_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& node_answers_;
  prometheus::Histogram& commit_latency_;
  prometheus::Counter& commit_failures_;
  mutable std::mutex mutex_;
  absl::Time commit_failed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string commit_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_TELEMETRY_METRICS_H_

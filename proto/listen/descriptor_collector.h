// sluice_descriptors* and sluice_connections_refused_total, of both planes: how
// many descriptors there are, who has them, and who was refused for want of them.
#ifndef SLUICE_PROTO_LISTEN_DESCRIPTOR_COLLECTOR_H_
#define SLUICE_PROTO_LISTEN_DESCRIPTOR_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <memory>
#include <utility>
#include <vector>

#include "proto/listen/descriptor_guard.h"

namespace sluice {

class DescriptorCollector : public prometheus::Collectable {
 public:
  explicit DescriptorCollector(std::shared_ptr<DescriptorGuard> guard) : guard_(std::move(guard)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::shared_ptr<DescriptorGuard> guard_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_DESCRIPTOR_COLLECTOR_H_

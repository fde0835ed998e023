#include "controlplane/telemetry/metrics.h"

#include <array>
#include <utility>

namespace sluice {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

// From a loopback acknowledgement to one that nearly timed out; the goal is
// 250 ms at p99.
const prometheus::Histogram::BucketBoundaries kPushBuckets = {.001, .0025, .005, .01, .025, .05, .1,
                                                              .25,  .5,    1,    2.5, 5,    10,  30};
// The goal is 10 ms at p99.
const prometheus::Histogram::BucketBoundaries kCommitBuckets = {.0005, .001, .0025, .005, .01, .025,
                                                                .05,   .1,   .25,   .5,   1,   2.5};

constexpr std::array<std::pair<v1::NodeState, const char*>, 6> kStates = {{
    {v1::NODE_STATE_ACKED, "acked"},
    {v1::NODE_STATE_PENDING, "pending"},
    {v1::NODE_STATE_NACKED, "nacked"},
    {v1::NODE_STATE_LOST, "lost"},
    {v1::NODE_STATE_EPOCH_MISMATCH, "epoch_mismatch"},
    {v1::NODE_STATE_GONE, "gone"},
}};

constexpr std::array<std::pair<DropReason, const char*>, 6> kReasons = {{
    {DropReason::kNoAck, "no_ack"},
    {DropReason::kReplaced, "replaced"},
    {DropReason::kNotAdmitted, "not_admitted"},
    {DropReason::kBadHello, "bad_hello"},
    {DropReason::kTooOld, "too_old"},
    {DropReason::kRival, "rival"},
}};

// As gRPC spells them.
constexpr std::array<const char*, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED",  "INTERNAL",       "UNAVAILABLE",       "DATA_LOSS",          "UNAUTHENTICATED"};

// Nodes may send any number.
const char* CodeName(grpc::StatusCode code) {
  return code >= 0 && code < static_cast<int>(kCodes.size()) ? kCodes[code] : "UNKNOWN";
}

prometheus::Family<prometheus::Counter>& Pushes(prometheus::Registry& registry) {
  return BuildCounter()
      .Name("sluice_controlplane_pushes_total")
      .Help("Updates begun towards data planes, by whether they were whole or a difference.")
      .Register(registry);
}

}  // namespace

ControlPlaneMetrics::ControlPlaneMetrics(const std::string& version)
    : revision_(BuildGauge()
                    .Name("sluice_controlplane_revision")
                    .Help("The newest revision of the policies.")
                    .Register(registry_)
                    .Add({})),
      subscribers_(BuildGauge()
                       .Name("sluice_controlplane_subscribers")
                       .Help("Data planes known, by state.")
                       .Register(registry_)),
      pushes_delta_(Pushes(registry_).Add({{"form", "difference"}})),
      pushes_snapshot_(Pushes(registry_).Add({{"form", "snapshot"}})),
      acks_(BuildCounter()
                .Name("sluice_controlplane_push_acks_total")
                .Help("Updates that data planes put in force.")
                .Register(registry_)
                .Add({})),
      nacks_(BuildCounter()
                 .Name("sluice_controlplane_push_nacks_total")
                 .Help("Updates that data planes refused.")
                 .Register(registry_)
                 .Add({})),
      digest_mismatches_(BuildCounter()
                             .Name("sluice_controlplane_digest_mismatches_total")
                             .Help("Digests that showed a data plane to have something else than it acknowledged.")
                             .Register(registry_)
                             .Add({})),
      push_latency_(BuildHistogram()
                        .Name("sluice_controlplane_push_latency_seconds")
                        .Help("From the commit of a revision to its acknowledgement by one connected data plane.")
                        .Register(registry_)
                        .Add({}, kPushBuckets)),
      dropped_(BuildCounter()
                   .Name("sluice_controlplane_subscribers_dropped_total")
                   .Help("Streams of data planes that the control plane ended or refused, by reason.")
                   .Register(registry_)),
      requests_(BuildCounter()
                    .Name("sluice_controlplane_admin_requests_total")
                    .Help("Calls of the Admin service, by method and gRPC code.")
                    .Register(registry_)),
      node_answers_(BuildCounter()
                        .Name("sluice_controlplane_node_answers_total")
                        .Help("What data planes made of operators' queries and commands, by gRPC code; those that did "
                              "not answer or were lost are among them.")
                        .Register(registry_)),
      commit_latency_(BuildHistogram()
                          .Name("sluice_controlplane_store_commit_seconds")
                          .Help("How long the store took to make a change durable.")
                          .Register(registry_)
                          .Add({}, kCommitBuckets)) {
  BuildGauge()
      .Name("sluice_controlplane_build_info")
      .Help("Always 1; the version is in the label.")
      .Register(registry_)
      .Add({{"version", version}})
      .Set(1);
  // Rates of what never happened are zero, not missing.
  for (const auto& [reason, name] : kReasons) dropped_.Add({{"reason", name}});
  for (const auto& [state, name] : kStates) subscribers_.Add({{"state", name}});
}

void ControlPlaneMetrics::OnPush(bool snapshot) { (snapshot ? pushes_snapshot_ : pushes_delta_).Increment(); }

void ControlPlaneMetrics::OnAck(absl::Duration latency) {
  acks_.Increment();
  push_latency_.Observe(absl::ToDoubleSeconds(latency));
}

void ControlPlaneMetrics::OnCatchUp() { acks_.Increment(); }

void ControlPlaneMetrics::OnNack() { nacks_.Increment(); }

void ControlPlaneMetrics::OnDropped(DropReason reason) {
  for (const auto& [known, name] : kReasons) {
    if (known == reason) dropped_.Add({{"reason", name}}).Increment();
  }
}

void ControlPlaneMetrics::OnDigestMismatch() { digest_mismatches_.Increment(); }

void ControlPlaneMetrics::OnRequest(const char* method, grpc::StatusCode code) {
  requests_.Add({{"method", method}, {"code", CodeName(code)}}).Increment();
}

void ControlPlaneMetrics::OnNodeAnswer(grpc::StatusCode code) { node_answers_.Add({{"code", CodeName(code)}}).Increment(); }

void ControlPlaneMetrics::OnCommit(absl::Duration latency) {
  commit_latency_.Observe(absl::ToDoubleSeconds(latency));
}

std::vector<prometheus::MetricFamily> ControlPlaneMetrics::Collect() const {
  if (live_.revision) revision_.Set(live_.revision());
  if (live_.subscribers) {
    std::map<v1::NodeState, int> counts = live_.subscribers();
    for (const auto& [state, name] : kStates) subscribers_.Add({{"state", name}}).Set(counts[state]);
  }
  return registry_.Collect();
}

}  // namespace sluice

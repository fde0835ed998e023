// What the log tells of data planes: a line for each that comes, goes, refuses
// or stands apart. Called by the hub under its mutex; the log's sink does not
// block. A node that flaps does not flood it: its lines have a budget.
#ifndef SLUICE_CONTROLPLANE_PUSH_NODE_LOG_H_
#define SLUICE_CONTROLPLANE_PUSH_NODE_LOG_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "controlplane/push/admission.h"

namespace sluice {

struct Node;

// Of one node: ten lines at once (it comes, refuses, goes, comes again), then
// one in 10 s. Pure.
class LineBudget {
 public:
  // False: the line is left out. `suffix`: what to put behind it.
  bool Take(absl::Time now, std::string& suffix);

 private:
  Admission tokens_{0.1, 10};
  uint64_t left_out_ = 0;
};

void LogCame(Node& node, absl::Time now);
void LogMismatch(Node& node, absl::Time now);
// "refused revision 9: upstream/u: credential: …".
void LogNack(Node& node, uint64_t revision, absl::Time now);
// Why: "its connection ended", "no answer to revision 9 within 30s".
void LogLost(Node& node, const std::string& why, absl::Time now);
void LogGone(Node& node, absl::Time now);
// Not of a node's budget: Rivalry bounds these.
void LogRival(const Node& node, const std::string& peer);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_NODE_LOG_H_

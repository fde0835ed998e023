// One Upstream, with its endpoints, as calls use it: the part of the policy
// compiler that looks at this machine. Config worker only.
#ifndef SLUICE_SERVER_CONFIG_UPSTREAM_COMPILER_H_
#define SLUICE_SERVER_CONFIG_UPSTREAM_COMPILER_H_

#include <memory>
#include <string>
#include <vector>

#include "proto/policy/policy_set.h"
#include "server/config/local_files.h"
#include "server/config/state_registry.h"
#include "server/engine/route_table.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// What the compiler works with; outlives it.
struct UpstreamContext {
  const PolicySet& policies;
  LocalFiles& files;
  const std::vector<std::string>& allowed_hosts;
  const std::string& zone;  // of this data plane; empty: not said
  TimePoint now;            // what is new begins its slow start
  StateRegistry& states;
  std::vector<v1::Violation>& violations;
};

// Violations are appended; the result is only of use if there were none.
std::shared_ptr<const UpstreamConfig> CompileUpstream(const v1::Resource& upstream, const UpstreamContext& context);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_UPSTREAM_COMPILER_H_

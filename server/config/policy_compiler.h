// Resources → the route table that calls use, whole or not at all. Checks what
// the control plane checked (it may be older), and what only this data plane
// can know: its secrets, its files, its allow-lists. Config worker only.
#ifndef SLUICE_SERVER_CONFIG_POLICY_COMPILER_H_
#define SLUICE_SERVER_CONFIG_POLICY_COMPILER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/config/config_options.h"
#include "server/config/credentials.h"
#include "server/config/state_registry.h"
#include "server/engine/route_table.h"
#include "server/resilience/time.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

struct CompiledPolicies {
  std::shared_ptr<const RouteTable> table;  // null if there are violations
  std::vector<v1::Violation> violations;    // all of them, in a stable order
};

class PolicyCompiler {
 public:
  // `zone`: where this data plane stands; empty: not said.
  explicit PolicyCompiler(ConfigAllowLists allow, std::string zone = "")
      : resolver_(std::move(allow.credentials)), allowed_hosts_(std::move(allow.hosts)), zone_(std::move(zone)) {}

  // `now` of the loops' clock. The states of what is still there are those of
  // the revisions before; they learn the new thresholds by
  // RouteTable::ConfigureStates, which is the caller's to call.
  // `kept`: the table in force where the resources are the same and only files
  // of this machine may be new; what cannot be used of them stays as it is there.
  CompiledPolicies Compile(std::string epoch, uint64_t revision, absl::Span<const v1::Resource* const> resources,
                           TimePoint now, const RouteTable* kept = nullptr);

  const StateRegistry& states() const { return states_; }
  const CredentialResolver& resolver() const { return resolver_; }

 private:
  CredentialResolver resolver_;
  std::vector<std::string> allowed_hosts_;
  std::string zone_;
  StateRegistry states_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_POLICY_COMPILER_H_

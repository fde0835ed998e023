// What this data plane would make of policies that it does not run yet: its
// secrets, its files and its allow-lists decide too. Pure but for reading
// those; the compiling is of its own, so that nothing that runs is touched.
// Config worker only.
#ifndef SLUICE_SERVER_CONFIG_POLICY_CHECK_H_
#define SLUICE_SERVER_CONFIG_POLICY_CHECK_H_

#include "server/config/config_options.h"
#include "server/config/resource_set.h"
#include "server/resilience/time.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// Of what is `held`, changed by the query. At most 50 violations.
v1::PolicyCheck CheckPolicies(const ResourceSet& held, const v1::PolicyCheckQuery& query, const ConfigOptions& options,
                              TimePoint now);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_POLICY_CHECK_H_

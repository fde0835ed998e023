// Who names whom among policies, read from the rules of policy.proto. Pure
// functions.
#ifndef SLUICE_CONTROLPLANE_CTL_REFERENCES_H_
#define SLUICE_CONTROLPLANE_CTL_REFERENCES_H_

#include <string>
#include <vector>

#include "sluice/v1/policy.pb.h"

namespace sluice::ctl {

// "upstream/openai": what the resource names, each once, in order of its fields.
std::vector<std::string> ReferencesOf(const v1::Resource& resource);

// Those among `all` that name `id`, in their order.
std::vector<std::string> ReferrersOf(const std::string& id, const std::vector<v1::Resource>& all);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_REFERENCES_H_

// One resource in a few words, for `list`.
#ifndef SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_
#define SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_

#include <string>

#include "sluice/v1/policy.pb.h"

namespace sluice::ctl {

// "chat → openai, anthropic"; "" for a kind that has nothing to sum up.
std::string SummaryOf(const v1::Resource& resource);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_

// One resource in a few words, and the columns of one kind, for `get`.
#ifndef SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_
#define SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_

#include <string>
#include <vector>

#include "sluice/v1/policy.pb.h"

namespace sluice::ctl {

// Titles of what a table of this kind alone tells beside names, and one row of it.
std::vector<std::string> TitlesOf(const std::string& kind);
std::vector<std::string> CellsOf(const v1::Resource& resource);

// "chat → openai, anthropic"; "" for a kind that has nothing to sum up.
std::string SummaryOf(const v1::Resource& resource);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_RESOURCE_SUMMARY_H_

// A data plane in words: for status, describe and wait. Pure functions.
#ifndef SLUICE_CONTROLPLANE_CTL_NODE_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_NODE_TEXT_H_

#include <string>
#include <vector>

#include "controlplane/ctl/table.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

// Trouble in capitals: it must be seen without colour too.
Table::Cell NodeStateCell(v1::NodeState state);

// Its figures are of now: it is connected and has told some.
bool ShowsFigures(const v1::NodeStatus& node);

// What is wrong with it, the worst first: another one of its id, what it is
// short of, the policies of another store, its last error. Empty: nothing.
std::vector<std::string> TroubleOf(const v1::NodeStatus& node);

// "upstream/openai: credential: env OPENAI_API_KEY is not set here".
std::string ViolationText(const v1::Violation& violation);

// "control plane"; whatever is not that, is to be seen.
Table::Cell SourceCell(v1::ConfigSource source);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_NODE_TEXT_H_

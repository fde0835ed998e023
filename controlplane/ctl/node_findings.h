// What data planes would make of policies that they do not run yet, as text.
// Called by `apply --dry-run=server` and `analyze`.
#ifndef SLUICE_CONTROLPLANE_CTL_NODE_FINDINGS_H_
#define SLUICE_CONTROLPLANE_CTL_NODE_FINDINGS_H_

#include <ostream>
#include <string>

#include "controlplane/ctl/exit_code.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

using NodeFindings = google::protobuf::RepeatedPtrField<v1::NodeFindings>;

// "upstream/claude: credential: env ANTHROPIC_API_KEY is not set there".
std::string FindingText(const v1::Violation& violation);

// "edge-3 would refuse: …", a line each. kNodeRefused where one would,
// kNotAcked where one could not be asked.
ExitCode PrintNodeFindings(const NodeFindings& nodes, std::ostream& err);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_NODE_FINDINGS_H_

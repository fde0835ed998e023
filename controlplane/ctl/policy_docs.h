// The comments of policy.proto, for `explain`. Descriptors at run time carry
// none, so the build puts protoc's descriptor set, with source info, into the
// binary. Any thread.
#ifndef SLUICE_CONTROLPLANE_CTL_POLICY_DOCS_H_
#define SLUICE_CONTROLPLANE_CTL_POLICY_DOCS_H_

#include <string>

namespace sluice::ctl {

// The comment above a message, field or enum value ("sluice.v1.Route.retry"),
// in lines without leading blanks; "" if there is none.
std::string CommentOf(const std::string& full_name);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_POLICY_DOCS_H_

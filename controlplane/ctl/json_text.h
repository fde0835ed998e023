// A message of control.proto as JSON for scripts: field names as in the proto,
// fields that are not set included, so that `jq` needs no `//`.
#ifndef SLUICE_CONTROLPLANE_CTL_JSON_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_JSON_TEXT_H_

#include <string>

#include "google/protobuf/message.h"

namespace sluice::ctl {

std::string JsonText(const google::protobuf::Message& message);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_JSON_TEXT_H_

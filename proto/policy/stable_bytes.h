// A message's bytes in one order, maps too, so that they can be compared and
// hashed: what data planes are sent, and what a repeated request is known by.
// Within one build only: protobuf promises no order between versions. Pure.
#ifndef SLUICE_PROTO_POLICY_STABLE_BYTES_H_
#define SLUICE_PROTO_POLICY_STABLE_BYTES_H_

#include <string>

#include "google/protobuf/message.h"

namespace sluice {

std::string StableBytes(const google::protobuf::Message& message);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_STABLE_BYTES_H_

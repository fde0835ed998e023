// Documented defaults, put in place where a field is not set.
#ifndef SLUICE_PROTO_POLICY_DEFAULTS_H_
#define SLUICE_PROTO_POLICY_DEFAULTS_H_

#include "google/protobuf/message.h"

namespace sluice {

// Sets every unset field of `message` that has a (rules).default, in it and in
// the messages that it has. Messages that are not there are not made: to take
// a whole message by its defaults, make it first.
void FillDefaults(google::protobuf::Message& message);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_DEFAULTS_H_

// Messages of control.proto as trees, in the words that policies use: enum values
// short (ACKED), durations with their unit (1h30m), numbers as numbers, resources
// as `get` prints them. For -o json and -o yaml. Pure functions.
#ifndef SLUICE_CONTROLPLANE_CTL_MESSAGE_NODE_H_
#define SLUICE_CONTROLPLANE_CTL_MESSAGE_NODE_H_

#include <string>

#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "proto/policy/policy_node.h"

namespace sluice::ctl {

// Field names as in the proto. Single values that are not set are there too (0,
// "", false, []), so that `jq` needs no `//`; messages that are not set are not.
PolicyNode MessageNode(const google::protobuf::Message& message);

// "2026-11-28T14:02:11.25Z".
PolicyNode TimeNode(absl::Time time);
PolicyNode TextNode(std::string text);
PolicyNode NumberNode(double number);
PolicyNode NumberNode(uint64_t number);
PolicyNode BoolNode(bool value);

// "ACKED" of NODE_STATE_ACKED; the number where it is not known here.
template <class Enum>
std::string EnumWord(Enum value);
std::string EnumWord(const google::protobuf::EnumDescriptor& type, int number);

template <class Enum>
std::string EnumWord(Enum value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_MESSAGE_NODE_H_

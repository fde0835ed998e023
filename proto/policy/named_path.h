// Entries of lists by their name in paths: "endpoints[backup].weight" says more
// than "endpoints[1].weight", and holds when the list is sorted anew. Used by
// the validator, the diff, `set`, and who looks up the line of a path. Pure.
#ifndef SLUICE_PROTO_POLICY_NAMED_PATH_H_
#define SLUICE_PROTO_POLICY_NAMED_PATH_H_

#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// The index of the entry called `name`: its `name` field, an endpoint without
// one by its host and port, a target by its upstream. -1: there is none, or
// more than one.
int FindEntry(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& list,
              std::string_view name);

// What FindEntry knows the entries by, in their order; those that have nothing
// are left out.
std::vector<std::string> EntryNames(const google::protobuf::Message& message,
                                    const google::protobuf::FieldDescriptor& list);

// "endpoints[1].weight" → "endpoints[backup].weight" where that entry has a name
// that no other has; every other path as it is. Names that would not read well
// are quoted.
std::string NamedPath(const v1::Resource& resource, const std::string& path);

// The way back.
std::string IndexedPath(const v1::Resource& resource, const std::string& path);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_NAMED_PATH_H_

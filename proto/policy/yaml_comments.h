// Comments of policy files, kept where the rest of a resource is: in an
// annotation, tied to the fields that they stand at. Recorded by `apply` and
// `edit`, printed by `get` and `edit`. Pure; any thread.
#ifndef SLUICE_PROTO_POLICY_YAML_COMMENTS_H_
#define SLUICE_PROTO_POLICY_YAML_COMMENTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "proto/policy/policy_node.h"

namespace sluice {

inline constexpr char kCommentsAnnotation[] = "sluice.dev/comments";

// The value of the annotation for each of `documents`, which `text` was parsed
// to; "" for one without comments. At most 200 comments and 8 KiB of each
// document, in lines of at most 500 bytes: what is over is left out, as is
// whatever could be a part of a value.
std::vector<std::string> ReadComments(std::string_view text, const std::vector<PolicyNode>& documents);

// Puts comments to a document for the printer. What stood at a field that is
// not there any more comes to what held it.
void AttachComments(std::string_view annotation, PolicyNode& document);

// "3 lines of comments"; "" for none.
std::string DescribeComments(std::string_view annotation);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_YAML_COMMENTS_H_

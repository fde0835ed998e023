// Messages → trees: the YAML form of a resource before it is text. Used by the
// printer, the diff and sluicectl; any thread.
#ifndef SLUICE_PROTO_POLICY_POLICY_TREE_H_
#define SLUICE_PROTO_POLICY_POLICY_TREE_H_

#include "google/protobuf/message.h"
#include "sluice/v1/policy.pb.h"

#include "proto/policy/policy_node.h"
#include "proto/policy/yaml_printer.h"

namespace sluice {

// A map, or the short form: the name of a reference or of an empty variant.
PolicyNode MessageToNode(const google::protobuf::Message& message);

// One flat document. Requires that a spec is set.
PolicyNode ResourceToNode(const v1::Resource& resource, const PrintOptions& options);

// On lines of its own, as YAML; the last one ends.
std::string YamlText(const PolicyNode& node);
// The same as JSON.
std::string JsonText(const PolicyNode& node);

// On one line, as YAML ("{delay: 1s}", "[503, 529]", "FULL").
std::string FlowText(const PolicyNode& node);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_POLICY_TREE_H_

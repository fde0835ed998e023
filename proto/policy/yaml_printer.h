// Resources → the YAML that the loader reads: parse(print(x)) == x.
#ifndef SLUICE_PROTO_POLICY_YAML_PRINTER_H_
#define SLUICE_PROTO_POLICY_YAML_PRINTER_H_

#include <string>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

struct PrintOptions {
  // With etag and revision, which only the control plane sets; the loader
  // reads and keeps them.
  bool bookkeeping = false;
  // The comments that the resource keeps (yaml_comments.h) as comments, and not
  // as the annotation that they are. For YAML only.
  bool comments = false;
};

// One flat document, without the "---".
std::string PrintPolicyYaml(const v1::Resource& resource, const PrintOptions& options = {});

// The same as one JSON object.
std::string PrintPolicyJson(const v1::Resource& resource, const PrintOptions& options = {});

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_YAML_PRINTER_H_

// What the validator says of documents from files, as errors at their lines.
// Called by sluicectl and by data planes that read a policy file. Pure.
//
// Where a document could not be read, the others are still worth checking; but
// what may only be missed because of it is left out.
#ifndef SLUICE_PROTO_POLICY_FINDINGS_H_
#define SLUICE_PROTO_POLICY_FINDINGS_H_

#include <vector>

#include "absl/types/span.h"
#include "proto/policy/yaml_loader.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// Those that were read without an error.
std::vector<const v1::Resource*> SoundResources(const LoadResult& loaded);

// Findings of a validator that saw the sound resources, alone or beside others.
std::vector<PolicyError> FindingsOf(const LoadResult& loaded, absl::Span<const v1::Violation> violations);

// Findings of the validator here, about the sound resources alone.
std::vector<PolicyError> ValidateLoaded(const LoadResult& loaded);

// The message with its suggestion, unless it says so already.
std::string MessageOf(const v1::Violation& violation);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_FINDINGS_H_

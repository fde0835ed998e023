// sluice.v1.RetryPolicy → RetryPolicy. Pure.
#ifndef SLUICE_SERVER_CONFIG_RETRY_COMPILER_H_
#define SLUICE_SERVER_CONFIG_RETRY_COMPILER_H_

#include <set>

#include "google/protobuf/repeated_field.h"
#include "server/resilience/retry_policy.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Takes a valid policy; what is not set is taken by its documented default.
RetryPolicy CompileRetryPolicy(v1::RetryPolicy policy);

// RetryableKinds as the engine knows them.
std::set<FailureKind> CompileKinds(const google::protobuf::RepeatedField<int>& kinds);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_RETRY_COMPILER_H_

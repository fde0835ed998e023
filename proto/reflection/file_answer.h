// What reflection answers, from the descriptors that this program is built with.
// Pure but for the pool, which is thread-safe.
#ifndef SLUICE_PROTO_REFLECTION_FILE_ANSWER_H_
#define SLUICE_PROTO_REFLECTION_FILE_ANSWER_H_

#include <string>
#include <vector>

#include "grpc/reflection/v1/reflection.pb.h"

namespace sluice {

// `services`: full names, in the order in which list_services gives them. What is
// not known is answered with NOT_FOUND in the response: the stream goes on.
grpc::reflection::v1::ServerReflectionResponse AnswerReflection(
    const grpc::reflection::v1::ServerReflectionRequest& request, const std::vector<std::string>& services);

}  // namespace sluice

#endif  // SLUICE_PROTO_REFLECTION_FILE_ANSWER_H_

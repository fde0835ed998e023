// A gateway whose calls fail with the statuses that the gateway makes, for clients
// in every language to decode. Chat: the request's text is the message, `n` the
// number of attempts, each of which says the same.
#ifndef SLUICE_TESTS_SERVICE_STATUS_SERVICE_H_
#define SLUICE_TESTS_SERVICE_STATUS_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "server/service/status_mapping.h"
#include "sluice/v1/gateway.grpc.pb.h"

namespace sluice {

class StatusService final : public v1::Gateway::Service {
 private:
  grpc::Status Chat(grpc::ServerContext* context, const v1::ChatRequest* request, v1::ChatResponse*) override {
    const CallRecord record = Record(request->messages(0).text(), request->n());
    const std::string call_id(32, 'c');
    context->AddTrailingMetadata(std::string(kCallIdKey), call_id);
    context->AddTrailingMetadata(std::string(kPushbackKey), RetryPushback(record).value());
    return StatusOf(record, call_id, "chat");
  }

  static CallRecord Record(const std::string& message, int attempts) {
    CallRecord record;
    record.outcome = CallOutcome::kFailed;
    record.error = {FailureKind::kOverload, 14, "ATTEMPTS_EXHAUSTED", message, "", absl::Milliseconds(1500)};
    for (int i = 0; i < attempts; ++i) {
      AttemptRecord& attempt = record.attempts.emplace_back();
      attempt.upstream = "upstream-" + std::to_string(i);
      attempt.endpoint = "endpoint.example.com:443";
      attempt.outcome = AttemptOutcome::kFailed;
      attempt.failure = FailureKind::kOverload;
      attempt.http_status = 503;
      attempt.message = message;
    }
    return record;
  }
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SERVICE_STATUS_SERVICE_H_

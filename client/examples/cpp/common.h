// What the programs beside this file share: where the gateway is, and how they end.
#ifndef SLUICE_EXAMPLES_COMMON_H_
#define SLUICE_EXAMPLES_COMMON_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "sluice/v1/gateway.grpc.pb.h"

namespace v1 = sluice::v1;

// A call that failed, as an exception.
class CallFailed : public std::runtime_error {
 public:
  explicit CallFailed(grpc::Status status) : std::runtime_error(status.error_message()), status(std::move(status)) {}
  const grpc::Status status;
};

std::string Environment(const char* name, const std::string& otherwise);

std::string Server();

// A stub without TLS; tls.cc has one with.
std::unique_ptr<v1::Gateway::Stub> Connect();

// The program's arguments, after the first `skip`.
std::string Question(int argc, char** argv, const std::string& otherwise = "Why is the sky blue?", int skip = 0);

v1::Message User(const std::string& text);

// A request of one question.
v1::ChatRequest Ask(const std::string& text);

// A deadline covers retries and failover too, and reaches the upstream. Never go without.
void SetDeadline(grpc::ClientContext& context, double seconds = 60);

// "UNAVAILABLE".
std::string CodeName(grpc::StatusCode code);

void Show(const std::string& text);

void PrintEnd(const v1::End& end, const std::string& text);

// Runs a program; its failure is one line and exit status 1.
int Run(const std::function<void()>& program);

#endif  // SLUICE_EXAMPLES_COMMON_H_

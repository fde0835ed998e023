// Decodes why a call failed: ./errors [QUESTION]
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <iostream>

#include "collector.h"
#include "common.h"

namespace {

void PrintDetail(const google::protobuf::Any& detail) {
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  v1::AttemptList tried;
  if (detail.UnpackTo(&info)) {
    std::cout << "reason: " << info.reason() << "\n";
  } else if (detail.UnpackTo(&retry)) {
    // When to try again; without it, do not.
    const auto& delay = retry.retry_delay();
    std::cout << "retry after: " << delay.seconds() * 1000 + delay.nanos() / 1000000 << " ms\n";
  } else if (detail.UnpackTo(&tried)) {
    for (const v1::Attempt& attempt : tried.attempts()) {
      std::cout << "attempt " << attempt.upstream() << "/" << attempt.endpoint() << ": " << attempt.outcome() << ", "
                << attempt.error_class() << ", HTTP " << attempt.http_status() << ", " << attempt.error_message()
                << "\n";
    }
    std::cout << "attempts omitted: " << tried.omitted() << "\n";
  }
}

void PrintFailure(const grpc::Status& failure) {
  std::cout << "status: " << CodeName(failure.error_code()) << "\n"
            << "message: " << failure.error_message() << "\n";
  if (failure.error_details().empty()) return;  // The gateway was not reached.
  google::rpc::Status status;
  if (!status.ParseFromString(failure.error_details())) throw std::runtime_error("the details do not decode");
  std::cout << "details: " << status.message() << "\n";
  for (const google::protobuf::Any& detail : status.details()) PrintDetail(detail);
}

int Main(const std::string& question) {
  const auto stub = Connect();
  grpc::ClientContext context;
  SetDeadline(context);
  try {
    const Collector answer = Collect(*stub->StreamChat(&context, Ask(question)), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
    return 0;
  } catch (const CallFailed& failed) {
    PrintFailure(failed.status);
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int exit_status = 0;
  const int failed = Run([&] { exit_status = Main(Question(argc, argv)); });
  return failed != 0 ? failed : exit_status;
}

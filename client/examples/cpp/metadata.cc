// Sends and reads metadata: SLUICE_TENANT=name ./metadata KEY [QUESTION]
//
// The same request under the same idempotency key is answered once: run it twice.
#include <iostream>

#include "collector.h"
#include "common.h"

namespace {

// In the initial metadata; of a call that failed before content in the trailers. It
// names the call in the gateway's log: keep it with what you log.
std::string CallId(const grpc::ClientContext& context) {
  for (const auto* received : {&context.GetServerInitialMetadata(), &context.GetServerTrailingMetadata()}) {
    const auto found = received->find("sluice-call-id");
    if (found != received->end()) return std::string(found->second.data(), found->second.size());
  }
  return "";
}

void Main(const std::string& key, const std::string& question) {
  const auto stub = Connect();
  grpc::ClientContext context;
  SetDeadline(context);
  context.AddMetadata("idempotency-key", key);
  context.AddMetadata("sluice-tenant", Environment("SLUICE_TENANT", "examples"));
  try {
    const Collector answer = Collect(*stub->StreamChat(&context, Ask(question)), Show);
    std::cout << "\ncall id: " << CallId(context) << "\n";
    PrintEnd(*answer.end, answer.Text());
  } catch (const CallFailed&) {
    std::cout << "\ncall id: " << CallId(context) << "\n";
    throw;
  }
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] {
    if (argc < 2) throw std::runtime_error("usage: metadata KEY [QUESTION]");
    Main(argv[1], Question(argc, argv, "Why is the sky blue?", 1));
  });
}

// Gives an answer a bound on time: ./deadline SECONDS [QUESTION]
//
// The deadline travels with the call: the gateway plans its retries within it and ends
// the upstream's work when it is over.
#include <iostream>

#include "collector.h"
#include "common.h"

int main(int argc, char** argv) {
  return Run([&] {
    if (argc < 2) throw std::runtime_error("usage: deadline SECONDS [QUESTION]");
    const auto stub = Connect();
    grpc::ClientContext context;
    SetDeadline(context, std::stod(argv[1]));
    const v1::ChatRequest request = Ask(Question(argc, argv, "Why is the sky blue?", 1));
    const Collector answer = Collect(*stub->StreamChat(&context, request), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
  });
}

// Streams an answer: ./stream [QUESTION]
#include <iostream>

#include "collector.h"
#include "common.h"

int main(int argc, char** argv) {
  return Run([&] {
    v1::ChatRequest request = Ask(Question(argc, argv));
    // A cut stream may begin anew; without this it fails.
    request.mutable_stream_options()->set_allow_restart(true);
    const auto stub = Connect();
    grpc::ClientContext context;
    SetDeadline(context);
    const Collector answer = Collect(*stub->StreamChat(&context, request), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
  });
}

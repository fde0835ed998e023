// Ends calls early, in both ways: ./cancel [QUESTION]
//
// Leaving the read loop tells the server nothing, and Finish() then waits for the rest
// of the answer: the model writes on, and somebody pays. So: context.TryCancel() wherever
// the loop may be left, and then Finish().
#include <iostream>

#include "collector.h"
#include "common.h"

namespace {

// As a stop button would: the loop goes on until the status comes.
void CancelledFromOutside(v1::Gateway::Stub& stub, const v1::ChatRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  std::string shown;
  try {
    Collect(*stub.StreamChat(&context, request), [&](const std::string& text) {
      shown = text;
      context.TryCancel();  // From any thread.
    });
  } catch (const CallFailed& failed) {
    std::cout << "cancelled after \"" << shown << "\": " << CodeName(failed.status.error_code()) << "\n";
  }
}

void LeavesTheLoop(v1::Gateway::Stub& stub, const v1::ChatRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  const auto call = stub.StreamChat(&context, request);
  v1::StreamChatResponse response;
  while (call->Read(&response)) {
    std::string text;
    for (const v1::ChatEvent& event : response.events()) text += event.content().text();
    if (!text.empty()) {
      std::cout << "left the loop after \"" << text << "\"\n";
      break;
    }
  }
  context.TryCancel();  // Of a call that has ended: nothing.
  call->Finish();
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] {
    const auto stub = Connect();
    const v1::ChatRequest request = Ask(Question(argc, argv));
    CancelledFromOutside(*stub, request);
    LeavesTheLoop(*stub, request);
    // Only the calls are over: the channel goes on.
    grpc::ClientContext context;
    SetDeadline(context);
    const Collector answer = Collect(*stub->StreamChat(&context, request), Show);
    std::cout << "\n";
    PrintEnd(*answer.end, answer.Text());
  });
}

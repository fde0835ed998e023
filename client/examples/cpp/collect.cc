// Collects two answers whole, and goes on with the first: ./collect [QUESTION]
#include <algorithm>
#include <iostream>

#include "collector.h"
#include "common.h"

namespace {

std::string Described(const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::kText:
      return "text " + part.text();
    case v1::Part::kReasoning:
      return "reasoning " + part.reasoning().text();
    case v1::Part::kRefusal:
      return "refusal " + part.refusal().text();
    case v1::Part::kToolCall:
      return "tool_call " + part.tool_call().name() + " " + part.tool_call().arguments_json();
    case v1::Part::kMedia:
      return "media " + part.media().mime_type() + ", " + std::to_string(part.media().data().size()) + " bytes, " +
             part.media().transcript();
    default:
      return "states alone";
  }
}

void PrintAnswer(const Collector& answer) {
  for (const auto& [choice, parts] : answer.parts) {
    const v1::FinishReason reason = answer.finish.at(choice).finish_reason();
    std::string finish = v1::FinishReason_Name(reason).substr(sizeof("FINISH_REASON_") - 1);
    std::transform(finish.begin(), finish.end(), finish.begin(), ::tolower);
    std::cout << "choice " << choice << ": " << finish << "\n";
    const v1::Message message = answer.Message(choice);
    for (const v1::Part& part : message.parts()) {
      std::cout << "  " << Described(part) << " (" << part.citations_size() << " citations, " << part.states_size()
                << " states)\n";
    }
  }
  if (answer.usage.has_value()) {
    std::cout << "usage: " << answer.usage->input_tokens() << " in, " << answer.usage->output_tokens() << " out\n";
  }
}

void Main(const std::string& question) {
  const auto stub = Connect();
  v1::ChatRequest request = Ask(question);
  request.set_n(2);
  request.mutable_stream_options()->set_allow_restart(true);
  grpc::ClientContext first;
  SetDeadline(first);
  const Collector answer = Collect(*stub->StreamChat(&first, request));
  PrintAnswer(answer);

  // The next turn: the answer goes back whole.
  *request.add_messages() = answer.Message(0);
  *request.add_messages() = User("Go on.");
  request.clear_n();
  grpc::ClientContext second;
  SetDeadline(second);
  const Collector next = Collect(*stub->StreamChat(&second, request), Show);
  std::cout << "\n";
  PrintEnd(*next.end, next.Text());
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] { Main(Question(argc, argv)); });
}

// Streams a chat through a Sluice gateway and collects the answer, with nothing
// but the generated stub. In this repository the library in client/ does the
// same and more: cancellation, decoded errors, a collector.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>

#include "sluice/v1/gateway.grpc.pb.h"

namespace v1 = sluice::v1;

namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// The first choice of a stream. Deltas of several parts may interleave: each goes
// to its own.
struct Answer {
  std::map<int, v1::Part> parts;
  std::optional<v1::End> end;

  // As the next request's history wants it.
  v1::Message Message() const {
    v1::Message message;
    message.set_role(v1::ROLE_ASSISTANT);
    for (const auto& [number, part] : parts) *message.add_parts() = part;
    return message;
  }
};

// A step of one part of an answer.
void AddDelta(const v1::ChatEvent& event, v1::Part& part) {
  if (event.has_content()) part.mutable_text()->append(event.content().text());
  if (event.has_reasoning()) part.mutable_reasoning()->mutable_text()->append(event.reasoning().text());
  if (event.has_refusal()) part.mutable_refusal()->mutable_text()->append(event.refusal().text());
  if (event.has_tool_call_start()) {
    part.mutable_tool_call()->set_id(event.tool_call_start().id());
    part.mutable_tool_call()->set_name(event.tool_call_start().name());
  }
  if (event.has_tool_call_delta()) {
    part.mutable_tool_call()->mutable_arguments_json()->append(event.tool_call_delta().arguments_json());
  }
  if (event.has_part_end()) part.mutable_states()->MergeFrom(event.part_end().states());
}

void Collect(const v1::ChatEvent& event, Answer& answer) {
  switch (event.kind_case()) {
    case v1::ChatEvent::kContent:
    case v1::ChatEvent::kReasoning:
    case v1::ChatEvent::kRefusal:
    case v1::ChatEvent::kToolCallStart:
    case v1::ChatEvent::kToolCallDelta:
    case v1::ChatEvent::kPartEnd:
      if (event.choice() != 0) break;
      AddDelta(event, answer.parts[event.part()]);
      std::cout << event.content().text() << std::flush;
      break;
    case v1::ChatEvent::kContinuation:
      if (event.continuation().mode() != v1::CONTINUATION_MODE_RESTART) break;
      answer.parts.clear();
      std::cout << "\n--- cut; the answer begins anew ---\n";
      break;
    case v1::ChatEvent::kEnd:
      answer.end = event.end();
      break;
    default:
      break;  // Kinds that this program does not need, or does not know yet.
  }
}

}  // namespace

int main(int argc, char** argv) {
  v1::ChatRequest request;
  request.set_model(Environment("SLUICE_MODEL", "chat"));
  v1::Message* message = request.add_messages();
  message->set_role(v1::ROLE_USER);
  message->set_text(argc > 1 ? argv[1] : "Why is the sky blue?");

  // A cut stream may begin anew; without this it fails.
  request.mutable_stream_options()->set_allow_restart(true);

  auto stub = v1::Gateway::NewStub(grpc::CreateChannel(Environment("SLUICE_SERVER", "127.0.0.1:8443"),
                                                       grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  auto reader = stub->StreamChat(&context, request);
  Answer answer;
  v1::StreamChatResponse response;
  while (reader->Read(&response)) {
    for (const v1::ChatEvent& event : response.events()) Collect(event, answer);
  }
  const grpc::Status status = reader->Finish();
  std::cout << std::endl;
  if (!status.ok()) {
    std::cerr << "status " << status.error_code() << ": " << status.error_message() << std::endl;
    return 1;
  }
  if (!answer.end.has_value()) {
    std::cerr << "no end record: the answer is incomplete" << std::endl;
    return 1;
  }
  size_t bytes = 0;
  const v1::Message answered = answer.Message();
  for (const v1::Part& part : answered.parts()) bytes += part.text().size();
  std::cout << "end: " << v1::Outcome_Name(answer.end->outcome()) << ", served by " << answer.end->served_by() << ", "
            << answer.end->attempts_size() << " attempts, " << bytes << " bytes" << std::endl;
  if (answer.end->outcome() == v1::OUTCOME_FALLBACK) {
    std::cout << "a fallback, because: " << answer.end->error().message() << std::endl;
  }
}

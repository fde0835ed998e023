// Asks for JSON that follows a schema, whole: ./structured [QUESTION]
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <iostream>

#include "collector.h"
#include "common.h"

namespace {

constexpr char kSchema[] =
    R"({"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},)"
    R"("required":["city","celsius"],"additionalProperties":false})";

void Main(const std::string& question) {
  v1::ChatRequest request = Ask(question);
  v1::JsonSchemaFormat& format = *request.mutable_response_format()->mutable_json_schema();
  format.set_name("weather");
  format.set_strict(true);
  format.set_schema_json(kSchema);

  // Chat: half a JSON document is of no use to a program.
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ChatResponse response;
  const grpc::Status status = Connect()->Chat(&context, request, &response);
  if (!status.ok()) throw CallFailed(status);

  const v1::Choice& choice = response.choices(0);
  std::string refusal;
  for (const v1::Part& part : choice.message().parts()) refusal += part.refusal().text();
  if (!refusal.empty()) throw std::runtime_error("the model refused: " + refusal);
  if (choice.finish_reason() != v1::FINISH_REASON_STOP) {
    throw std::runtime_error("not whole: " + v1::FinishReason_Name(choice.finish_reason()));
  }
  const std::string text = TextOf(choice.message());
  google::protobuf::Struct weather;
  if (!google::protobuf::util::JsonStringToMessage(text, &weather).ok()) throw std::runtime_error("no JSON: " + text);
  std::cout << "city: " << weather.fields().at("city").string_value() << "\n"
            << "celsius: " << weather.fields().at("celsius").number_value() << "\n";
  PrintEnd(response.end(), text);
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] { Main(Question(argc, argv, "How warm is it in Paris?")); });
}

// Lets the model call a function of ours until it answers: ./tools [QUESTION]
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <iostream>
#include <map>

#include "collector.h"
#include "common.h"

namespace {

constexpr int kMaxRounds = 5;

v1::Tool GetWeatherTool() {
  v1::Tool tool;
  tool.set_name("get_weather");
  tool.set_description("The weather in a city.");
  tool.set_parameters_json(R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})");
  return tool;
}

std::string GetWeather(const std::string& arguments_json) {
  static const std::map<std::string, int> celsius = {{"Paris", 21}, {"Oslo", 9}};
  google::protobuf::Struct arguments;
  if (!google::protobuf::util::JsonStringToMessage(arguments_json, &arguments).ok()) {
    throw std::runtime_error("the arguments are no JSON object");
  }
  const auto found = celsius.find((*arguments.mutable_fields())["city"].string_value());
  if (found == celsius.end()) throw std::runtime_error("no such city");
  return "{\"celsius\":" + std::to_string(found->second) + "}";
}

// A tool that fails is a result too: the model reads it and goes another way.
v1::ToolResult CallTool(const v1::ToolCall& call) {
  v1::ToolResult result;
  result.set_tool_call_id(call.id());
  try {
    if (call.name() != "get_weather") throw std::runtime_error("no such tool");
    result.set_text(GetWeather(call.arguments_json()));
  } catch (const std::exception& error) {
    result.set_text(error.what());
    result.set_is_error(true);
  }
  std::cout << "tool " << call.name() << " " << call.arguments_json() << " -> " << (result.is_error() ? "error: " : "")
            << result.text() << "\n";
  return result;
}

void Main(const std::string& question) {
  const auto stub = Connect();
  v1::ChatRequest request = Ask(question);
  *request.add_tools() = GetWeatherTool();
  for (int round = 0; round < kMaxRounds; ++round) {
    grpc::ClientContext context;
    SetDeadline(context);
    const Collector answer = Collect(*stub->StreamChat(&context, request));
    const v1::Message message = answer.Message();
    // Whole, with its reasoning and states: the provider wants them back.
    if (message.parts_size() > 0) *request.add_messages() = message;
    v1::Message results;
    results.set_role(v1::ROLE_TOOL);
    for (const v1::Part& part : message.parts()) {
      if (part.has_tool_call()) *results.add_parts()->mutable_tool_result() = CallTool(part.tool_call());
    }
    if (results.parts_size() == 0) {
      std::cout << answer.Text() << "\n";
      return PrintEnd(*answer.end, answer.Text());
    }
    *request.add_messages() = results;
  }
  throw std::runtime_error("no answer after " + std::to_string(kMaxRounds) + " rounds of tools");
}

}  // namespace

int main(int argc, char** argv) {
  return Run([&] { Main(Question(argc, argv, "What is the weather in Paris?")); });
}

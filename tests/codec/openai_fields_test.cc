#include "server/codec/openai_fields.h"

#include <gtest/gtest.h>

#include <utility>

namespace sluice {
namespace {

TEST(OpenAiFieldsTest, AnErrorsPlaceIsTheCallersField) {
  const std::pair<const char*, const char*> rows[] = {
      {"temperature", "sampling.temperature"},
      {"messages.[2].content", "messages"},
      {"messages[1].content", "messages"},
      {"tools[0].function.strict", "tools"},
      {"tools.0.function.parameters", "tools"},
      {"body.seed", "sampling.seed"},
      {"body -> seed", "sampling.seed"},
      {"body,messages,0,content", "messages"},
      {"$.n", "n"},
      {"/tools/0/function", "tools"},
      {"('body', 'top_p')", "sampling.top_p"},
      {"max_tokens", "sampling.max_output_tokens"},
      {"max_completion_tokens", "sampling.max_output_tokens"},
      {"response_format.json_schema", "response_format"},
      {"input", "inputs"},
      {"body.dimensions", "dimensions"},
      {"body", ""},
      {"validation_error", ""},
      {"tool", ""},
      {"", ""},
      {"…", ""},
  };
  for (const auto& [param, field] : rows) EXPECT_EQ(FieldOfOpenAiParam(param), field) << param;
}

}  // namespace
}  // namespace sluice

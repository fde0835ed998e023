// The table that the collectors of client/python and client/node are held to too
// (tests/integration/test_clients.py): all of them collect alike.
#include <fstream>
#include <sstream>

#include "client/collector.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageToJsonString;

ListValue Cases() {
  std::stringstream text;
  text << std::ifstream(SLUICE_COLLECTOR_CASES).rdbuf();
  ListValue cases;
  EXPECT_TRUE(JsonStringToMessage(text.str(), &cases).ok());
  return cases;
}

// What stands there, as a message of the API.
template <typename Message>
Message As(const Value& value) {
  std::string json;
  EXPECT_TRUE(MessageToJsonString(value.struct_value(), &json).ok());
  Message message;
  const auto parsed = JsonStringToMessage(json, &message);
  EXPECT_TRUE(parsed.ok()) << parsed.ToString() << "\n" << json;
  return message;
}

TEST(CollectorCasesTest, EveryCaseIsCollectedAsTheTableSays) {
  const ListValue cases = Cases();
  ASSERT_GT(cases.values_size(), 10);
  for (const Value& each : cases.values()) {
    const Struct& one = each.struct_value();
    SCOPED_TRACE(one.fields().at("name").string_value());
    const auto refused = one.fields().find("refused");
    Collector collector;
    int index = 0;
    for (const Value& event : one.fields().at("events").list_value().values()) {
      const bool wanted = refused == one.fields().end() || refused->second.number_value() != index++;
      EXPECT_EQ(collector.Add(As<v1::ChatEvent>(event)), wanted) << event.DebugString();
    }
    EXPECT_EQ(collector.response().DebugString(), As<v1::ChatResponse>(one.fields().at("response")).DebugString());
    EXPECT_EQ(collector.complete(), one.fields().at("complete").bool_value());
  }
}

}  // namespace
}  // namespace sluice

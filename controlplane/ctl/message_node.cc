#include "controlplane/ctl/message_node.h"

#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/timestamp.pb.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/policy_tree.h"
#include "proto/policy/schema.h"
#include "proto/policy/yaml_scalars.h"
#include "sluice/v1/policy.pb.h"

namespace sluice::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// `index` -1: of a field that is not repeated.
const Message& Child(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  return index < 0 ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
}

PolicyNode BytesNode(const Message& message, const FieldDescriptor& field, int index) {
  return PolicyNode::Text(absl::Base64Escape(GetScalar(message, field, index).text));
}

PolicyNode FloatingNode(const Message& message, const FieldDescriptor& field, int index) {
  PolicyNode node = GetScalar(message, field, index);
  // JSON has no other word for what is no number.
  const bool finite = !node.text.empty() && node.text.find_first_of("ni") == std::string::npos;
  return finite ? node : PolicyNode();
}

PolicyNode ValueNode(const Message& message, const FieldDescriptor& field, int index) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatingNode(message, field, index);
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES) return BytesNode(message, field, index);
      return GetScalar(message, field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (IsDuration(field)) return GetScalar(message, field, index);
      return MessageNode(Child(message, field, index));
    default:
      return GetScalar(message, field, index);
  }
}

PolicyNode MapNode(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  // By key, so that the same is printed the same.
  std::map<std::string, PolicyNode> sorted;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    sorted.emplace(GetScalar(entry, *field.message_type()->map_key(), -1).text,
                   ValueNode(entry, *field.message_type()->map_value(), -1));
  }
  PolicyNode map = PolicyNode::Map();
  for (auto& [key, value] : sorted) map.Add(key, std::move(value));
  return map;
}

PolicyNode FieldNode(const Message& message, const FieldDescriptor& field) {
  if (field.is_map()) return MapNode(message, field);
  if (!field.is_repeated()) return ValueNode(message, field, -1);
  PolicyNode list = PolicyNode::List();
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    list.items.push_back(ValueNode(message, field, i));
  }
  return list;
}

}  // namespace

PolicyNode MessageNode(const Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  if (type.full_name() == v1::Resource::descriptor()->full_name()) {
    v1::Resource resource;
    resource.CopyFrom(message);
    if (resource.spec_case() != v1::Resource::SPEC_NOT_SET) return ResourceToNode(resource, {.bookkeeping = true});
  }
  if (type.full_name() == google::protobuf::Timestamp::descriptor()->full_name()) {
    google::protobuf::Timestamp time;
    time.CopyFrom(message);
    return TimeNode(ToAbsl(time));
  }
  PolicyNode map = PolicyNode::Map();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool absent = field.has_presence() && !message.GetReflection()->HasField(message, &field);
    if (!absent) map.Add(field.name(), FieldNode(message, field));
  }
  return map;
}

PolicyNode TimeNode(absl::Time time) {
  return PolicyNode::Text(absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone()));
}

PolicyNode TextNode(std::string text) { return PolicyNode::Text(std::move(text)); }

PolicyNode NumberNode(double number) {
  return std::isfinite(number) ? PolicyNode::Plain(FormatNumber(number)) : PolicyNode();
}

PolicyNode NumberNode(uint64_t number) { return PolicyNode::Plain(absl::StrCat(number)); }

PolicyNode BoolNode(bool value) { return PolicyNode::Plain(value ? "true" : "false"); }

std::string EnumWord(const google::protobuf::EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  return value == nullptr ? absl::StrCat(number) : ShortEnumName(*value);
}

}  // namespace sluice::ctl

#include "proto/policy/policy_tree.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/policy/kinds.h"
#include "proto/policy/schema.h"
#include "proto/policy/yaml_comments.h"
#include "proto/policy/yaml_scalars.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

PolicyNode TextMapNode(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  // A protobuf map has no order: by key, so that the same is printed the same.
  std::map<std::string, PolicyNode> sorted;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const FieldDescriptor* key = field.message_type()->map_key();
    sorted.emplace(entry.GetReflection()->GetString(entry, key),
                   GetScalar(entry, *field.message_type()->map_value(), -1));
  }
  PolicyNode map = PolicyNode::Map();
  for (auto& [key, value] : sorted) map.Add(key, std::move(value));
  return map;
}

PolicyNode ListNode(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  PolicyNode list = PolicyNode::List();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    list.items.push_back(IsStructure(field)
                             ? MessageToNode(reflection.GetRepeatedMessage(message, &field, i))
                             : GetScalar(message, field, i));
  }
  return list;
}

PolicyNode FieldNode(const Message& message, const FieldDescriptor& field) {
  if (field.is_map()) return TextMapNode(message, field);
  if (field.is_repeated()) return ListNode(message, field);
  if (IsStructure(field)) return MessageToNode(message.GetReflection()->GetMessage(message, &field));
  return GetScalar(message, field, -1);
}

bool IsSet(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                             : reflection.HasField(message, &field);
}

// A choice of which neither side is set says nothing, and YAML cannot say it.
bool IsEmptyChoice(const Message& message, const FieldDescriptor& field) {
  if (!IsStructure(field) || field.is_repeated()) return false;
  if (!RulesOf(*field.message_type()).inline_or_reference()) return false;
  const Message& choice = message.GetReflection()->GetMessage(message, &field);
  for (int i = 0; i < choice.GetDescriptor()->field_count(); ++i) {
    if (IsSet(choice, *choice.GetDescriptor()->field(i))) return false;
  }
  return true;
}

void AddFields(const Message& message, PolicyNode& map) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!IsSet(message, field) || IsEmptyChoice(message, field)) continue;
    map.Add(field.name(), FieldNode(message, field));
  }
}

}  // namespace

PolicyNode MessageToNode(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const ChoiceFields choice = ChoiceOf(*message.GetDescriptor());
  if (choice.reference != nullptr && reflection.HasField(message, choice.reference)) {
    return GetScalar(message, *choice.reference, -1);
  }
  if (choice.in_place != nullptr) {
    PolicyNode node = MessageToNode(reflection.GetMessage(message, choice.in_place));
    // A bare word would be read as the name of a resource.
    if (node.kind == PolicyNode::Kind::kMap) return node;
    PolicyNode map = PolicyNode::Map();
    map.Add(node.text, PolicyNode::Map());
    return map;
  }
  PolicyNode map = PolicyNode::Map();
  AddFields(message, map);
  const bool lone_empty = map.items.size() == 1 &&
                          map.items[0].kind == PolicyNode::Kind::kMap && map.items[0].items.empty();
  if (lone_empty && FindVariant(*message.GetDescriptor(), map.items[0].key) != nullptr) {
    return PolicyNode::Text(map.items[0].key);
  }
  return map;
}

PolicyNode ResourceToNode(const v1::Resource& resource, const PrintOptions& options) {
  PolicyNode map = PolicyNode::Map();
  map.Add("kind", PolicyNode::Text(std::string(KindOf(resource))));
  v1::Meta meta = resource.meta();
  map.Add("name", PolicyNode::Text(meta.name()));
  meta.clear_name();
  if (!options.bookkeeping) {
    meta.clear_etag();
    meta.clear_revision();
  }
  std::string comments;
  if (const auto kept = meta.annotations().find(kCommentsAnnotation); options.comments && kept != meta.annotations().end()) {
    comments = kept->second;
    meta.mutable_annotations()->erase(kCommentsAnnotation);
  }
  AddFields(meta, map);
  AddFields(SpecOf(resource), map);
  AttachComments(comments, map);
  return map;
}

}  // namespace sluice

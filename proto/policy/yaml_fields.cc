#include "proto/policy/yaml_fields.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/policy/schema.h"
#include "proto/policy/wording.h"
#include "proto/policy/yaml_scalars.h"

namespace sluice {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

}  // namespace

FieldReader::FieldReader(std::string file, std::string resource,
                         std::vector<PolicyError>* errors, std::map<std::string, int>* lines)
    : file_(std::move(file)), resource_(std::move(resource)), errors_(errors), lines_(lines) {}

void FieldReader::Error(int line, const std::string& path, std::string message) {
  failed_ = true;
  Contradiction(line, path, std::move(message));
}

void FieldReader::Contradiction(int line, const std::string& path, std::string message) {
  if (errors_->size() >= kMaxPolicyErrors) return;
  errors_->push_back({file_, line, resource_, path, std::move(message)});
}

bool FieldReader::RefuseDuplicate(std::map<absl::string_view, int>& seen, const PolicyNode& entry,
                                  const std::string& path) {
  const auto [place, added] = seen.emplace(entry.key, entry.key_line);
  if (!added) {
    Error(entry.key_line, path, absl::StrCat("is set twice; first in line ", place->second));
  }
  return !added;
}

void FieldReader::ReadEntries(const PolicyNode& map, const std::vector<Message*>& targets,
                              const std::vector<std::string>& skipped, const std::string& path) {
  std::map<absl::string_view, int> seen;
  std::map<const google::protobuf::OneofDescriptor*, const PolicyNode*> chosen;
  for (const PolicyNode& entry : map.items) {
    if (RefuseDuplicate(seen, entry, FieldPath(path, entry.key))) continue;
    if (std::find(skipped.begin(), skipped.end(), entry.key) != skipped.end()) continue;
    if (!ReadKnownKey(entry, targets, path)) {
      std::vector<std::string> known = skipped;
      for (const Message* target : targets) {
        for (std::string& name : FieldNames(*target->GetDescriptor())) {
          known.push_back(std::move(name));
        }
      }
      Error(entry.key_line, path,
            absl::StrCat("unknown field ", Shown(entry.key), DidYouMean(entry.key, known)));
      continue;
    }
    for (const Message* target : targets) {
      const FieldDescriptor* field = target->GetDescriptor()->FindFieldByName(entry.key);
      if (field == nullptr || field->real_containing_oneof() == nullptr) continue;
      const auto [place, added] = chosen.emplace(field->real_containing_oneof(), &entry);
      if (!added) {
        Contradiction(entry.key_line, FieldPath(path, entry.key),
                      absl::StrCat("excludes ", place->second->key, " (line ", place->second->key_line,
                                   "); set one of ", AnyOf(OneofNames(*place->first))));
      }
    }
  }
}

bool FieldReader::ReadKnownKey(const PolicyNode& entry, const std::vector<Message*>& targets,
                               const std::string& path) {
  for (Message* target : targets) {
    const FieldDescriptor* field = target->GetDescriptor()->FindFieldByName(entry.key);
    if (field == nullptr) continue;
    const std::string field_path = FieldPath(path, entry.key);
    (*lines_)[field_path] = entry.key_line;
    ReadField(entry, *field, *target, field_path);
    return true;
  }
  return false;
}

void FieldReader::ReadField(const PolicyNode& node, const FieldDescriptor& field,
                            Message& message, const std::string& path) {
  if (node.kind == PolicyNode::Kind::kNull) {
    Error(node.line, path, "has no value; leave the key out to unset it");
    return;
  }
  if (field.is_map()) {
    ReadTextMap(node, field, message, path);
  } else if (field.is_repeated()) {
    if (node.kind != PolicyNode::Kind::kList) {
      Error(node.line, path, absl::StrCat("is ", DescribeNode(node), "; a list is expected"));
      return;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      ReadElement(node.items[i], field, message, IndexPath(path, i));
    }
  } else if (IsStructure(field)) {
    ReadMessage(node, *message.GetReflection()->MutableMessage(&message, &field), path);
  } else if (auto status = SetScalar(node, field, message); !status.ok()) {
    Error(node.line, path, std::string(status.message()));
  }
}

void FieldReader::ReadElement(const PolicyNode& node, const FieldDescriptor& field,
                              Message& message, const std::string& path) {
  (*lines_)[path] = node.line;
  if (IsStructure(field)) {
    ReadMessage(node, *message.GetReflection()->AddMessage(&message, &field), path);
  } else if (auto status = SetScalar(node, field, message); !status.ok()) {
    Error(node.line, path, std::string(status.message()));
  }
}

void FieldReader::ReadMessage(const PolicyNode& node, Message& message, const std::string& path) {
  if (RulesOf(*message.GetDescriptor()).inline_or_reference()) {
    ReadChoice(node, message, path);
  } else if (node.kind == PolicyNode::Kind::kMap) {
    ReadEntries(node, {&message}, {}, path);
  } else if (node.is_scalar()) {
    ReadVariantName(node, message, path);
  } else {
    Error(node.line, path, absl::StrCat("is ", DescribeNode(node), "; a map is expected"));
  }
}

void FieldReader::ReadChoice(const PolicyNode& node, Message& message, const std::string& path) {
  const ChoiceFields choice = ChoiceOf(*message.GetDescriptor());
  if (node.kind == PolicyNode::Kind::kMap) {
    ReadMessage(node, *message.GetReflection()->MutableMessage(&message, choice.in_place), path);
  } else if (node.is_scalar()) {
    ReadField(node, *choice.reference, message, path);
  } else {
    const std::string& kind = choice.in_place->message_type()->name();
    Error(node.line, path,
          absl::StrCat("is ", DescribeNode(node), "; write the name of a ", kind,
                       " or a map with its fields"));
  }
}

void FieldReader::ReadVariantName(const PolicyNode& node, Message& message,
                                  const std::string& path) {
  const FieldDescriptor* variant = FindVariant(*message.GetDescriptor(), node.text);
  if (variant != nullptr) {
    message.GetReflection()->MutableMessage(&message, variant);
    return;
  }
  const std::vector<std::string> names = VariantNames(*message.GetDescriptor());
  if (names.empty()) {
    Error(node.line, path, "is a single value; a map is expected");
    return;
  }
  const std::string nearest = Nearest(node.text, names);
  Error(node.line, path,
        nearest.empty() ? absl::StrCat(Shown(node.text), " is not known; use ", AnyOf(names))
                        : absl::StrCat(Shown(node.text), " is not known; did you mean ",
                                       Shown(nearest), "?"));
}

void FieldReader::ReadTextMap(const PolicyNode& node, const FieldDescriptor& field,
                              Message& message, const std::string& path) {
  if (node.kind != PolicyNode::Kind::kMap) {
    Error(node.line, path, absl::StrCat("is ", DescribeNode(node), "; a map is expected"));
    return;
  }
  std::map<absl::string_view, int> seen;
  for (const PolicyNode& entry : node.items) {
    const std::string entry_path = KeyPath(path, entry.key);
    if (RefuseDuplicate(seen, entry, entry_path)) continue;
    (*lines_)[entry_path] = entry.key_line;
    Message* place = message.GetReflection()->AddMessage(&message, &field);
    place->GetReflection()->SetString(place, field.message_type()->map_key(), entry.key);
    const auto status = SetScalar(entry, *field.message_type()->map_value(), *place);
    if (!status.ok()) Error(entry.line, entry_path, std::string(status.message()));
  }
}

}  // namespace sluice
